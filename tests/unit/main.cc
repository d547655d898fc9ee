// CppUTest's runner; its own option parser gives -g, -sg, -n, -v.
#include <CppUTest/CommandLineTestRunner.h>

int main(int argc, char** argv) { return RUN_ALL_TESTS(argc, argv); }
