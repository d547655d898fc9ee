#include "agent/base/log_line.h"
#include "agent/commands.h"
#include "agent/memory_limit.h"

int main(int argc, char** argv) {
    weir::prepare_process();
    weir::look_for_journal();
    return weir::run_command({argv + 1, argv + argc});
}
