#include "agent/commands.h"
#include "agent/memory_limit.h"

int main(int argc, char** argv) {
    weir::prepare_process();
    return weir::run_command({argv + 1, argv + argc});
}
