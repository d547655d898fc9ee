#include "drivers/exec/client.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <map>
#include <sstream>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

struct Outcome {
    ExecEnd end;
    int code;
    std::uint64_t output_bytes;
    std::string output;
};

// Of processes that are there, how many have mark in their command line.
int processes_with(const std::string& mark) {
    int count = 0;
    DIR* const proc = ::opendir("/proc");
    while (const dirent* entry = ::readdir(proc)) {
        std::ifstream file("/proc/" + std::string(entry->d_name) + "/cmdline");
        std::stringstream text;
        text << file.rdbuf();
        std::string words = text.str();
        for (char& c : words)
            if (c == '\0') c = ' ';
        if (words.find(mark) != std::string::npos) ++count;
    }
    ::closedir(proc);
    return count;
}

pid_t helper_of(pid_t parent) {
    pid_t found = 0;
    DIR* const proc = ::opendir("/proc");
    while (const dirent* entry = ::readdir(proc)) {
        std::ifstream file("/proc/" + std::string(entry->d_name) + "/stat");
        std::string pid, name, state, ppid;
        file >> pid >> name >> state >> ppid;
        if (name == "(weir-exec)" && ppid == std::to_string(parent) && state != "Z") found = std::atoi(pid.c_str());
    }
    ::closedir(proc);
    return found;
}

}  // namespace

TEST_GROUP(Exec) {
    SystemClock clock;
    ExecClient client{{WEIR_EXEC, ""}, clock};
    std::map<std::uint64_t, Outcome> outcomes;
    std::uint64_t tokens = 0;
    int losses = 0;

    void setup() override { wait([&] { return client.serving(); }); }

    template <typename Done>
    void wait(Done done) {
        const MonotonicTime limit = clock.monotonic() + Duration::seconds(60);
        while (!done()) {
            CHECK_TEXT(clock.monotonic() < limit, "nothing came");
            client.keep_up();
            pollfd entry{client.descriptor(), POLLIN, 0};
            ::poll(&entry, 1, 50);
            ExecOutcome outcome;
            while (client.hear(outcome))
                outcomes[outcome.token] = {outcome.end, outcome.code, outcome.output_bytes, std::string(outcome.output)};
            if (client.lost()) ++losses;
        }
    }
    std::uint64_t ask(std::initializer_list<std::string_view> arguments, std::string_view input = "", Duration timeout = Duration::seconds(30),
                      std::uint64_t memory = 0) {
        ExecRequest request;
        request.token = ++tokens;
        request.timeout = timeout;
        request.memory = memory;
        for (const std::string_view argument : arguments) request.arguments[request.count++] = argument;
        request.input = input;
        CHECK(client.request(request).ok());
        return tokens;
    }
    const Outcome& run(std::initializer_list<std::string_view> arguments, std::string_view input = "", Duration timeout = Duration::seconds(30),
                       std::uint64_t memory = 0) {
        const std::uint64_t token = ask(arguments, input, timeout, memory);
        wait([&] { return outcomes.count(token) > 0; });
        return outcomes.at(token);
    }
};

TEST(Exec, a_program_gets_its_input_and_its_words_come_back) {
    const Outcome& outcome = run({"/bin/cat"}, R"({"alert":"congestion"})");
    CHECK(outcome.end == ExecEnd::exited && outcome.code == 0);
    STRCMP_EQUAL(R"({"alert":"congestion"})", outcome.output.c_str());
}

TEST(Exec, arguments_are_arguments_and_nobody_expands_them) {
    STRCMP_EQUAL("$(id) ; * 'a b'\n", run({"/bin/echo", "$(id)", ";", "*", "'a b'"}).output.c_str());
}

TEST(Exec, an_exit_code_and_a_signal_are_told) {
    const Outcome failed = run({"/bin/sh", "-c", "echo no sign there >&2; exit 3"});
    CHECK(failed.end == ExecEnd::exited && failed.code == 3);
    STRCMP_EQUAL("no sign there\n", failed.output.c_str());
    const Outcome killed = run({"/bin/sh", "-c", "kill -9 $$"});
    CHECK(killed.end == ExecEnd::signalled && killed.code == SIGKILL);
}

TEST(Exec, a_program_that_is_not_there_says_so) {
    const Outcome& outcome = run({"/nowhere/sign"});
    CHECK(outcome.end == ExecEnd::not_started && outcome.code == ENOENT);
}

TEST(Exec, one_that_hangs_is_ended_with_all_that_it_started) {
    const std::string seconds = "7654" + std::to_string(::getpid());
    const std::string script = "trap '' TERM; sleep " + seconds + " & sleep " + seconds + " & wait; sleep " + seconds;
    const Outcome& outcome = run({"/bin/sh", "-c", script}, "", Duration::millis(300));
    CHECK(outcome.end == ExecEnd::timed_out);
    wait([&] { return processes_with("sleep " + seconds) == 0; });
}

TEST(Exec, what_a_program_leaves_behind_in_its_group_is_ended) {
    const std::string seconds = "8765" + std::to_string(::getpid());
    const Outcome& outcome = run({"/bin/sh", "-c", "sleep " + seconds + " & exit 0"});
    CHECK(outcome.end == ExecEnd::exited && outcome.code == 0);
    wait([&] { return processes_with("sleep " + seconds) == 0; });
}

TEST(Exec, a_flood_of_output_is_read_and_cut) {
    const Outcome& outcome = run({"/bin/sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' x"});
    CHECK(outcome.end == ExecEnd::exited && outcome.code == 0);
    LONGS_EQUAL(20'000'000, outcome.output_bytes);
    LONGS_EQUAL(exec_output_bytes_max, outcome.output.size());
}

TEST(Exec, one_that_never_stops_writing_is_ended_at_its_time) {
    const Outcome& outcome = run({"/usr/bin/yes"}, "", Duration::millis(300));
    CHECK(outcome.end == ExecEnd::timed_out);
    CHECK(outcome.output_bytes > exec_output_bytes_max);
}

TEST(Exec, descriptors_environment_folder_and_signals_are_clean) {
    const int left_open = ::open("/dev/zero", O_RDONLY);  // without O_CLOEXEC, as a library may
    client.drop("the test wants one that is started with a descriptor left open");
    wait([&] { return client.serving(); });
    ::close(left_open);
    const std::string files = run({"/bin/ls", "-l", "/proc/self/fd"}).output;
    CHECK_TEXT(files.find("/dev/zero") == std::string::npos && files.find("socket:") == std::string::npos, files.c_str());
    CHECK(files.find("1 -> pipe:") != std::string::npos && files.find("3 -> pipe:") == std::string::npos);
    const Outcome environment = run({"/usr/bin/env"});
    STRCMP_EQUAL("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/\nLANG=C.UTF-8\n", environment.output.c_str());
    STRCMP_EQUAL("/\n", run({"/bin/pwd"}).output.c_str());
    const Outcome signals = run({"/bin/grep", "-E", "^(SigBlk|SigIgn|NoNewPrivs)", "/proc/self/status"});
    CHECK(signals.output.find("SigBlk:\t0000000000000000") != std::string::npos);
    const std::size_t ignored = signals.output.find("SigIgn:\t");
    CHECK(ignored != std::string::npos);
    const std::uint64_t bits = std::strtoull(signals.output.c_str() + ignored + 8, nullptr, 16);
    LONGS_EQUAL(0, bits & ~(std::uint64_t{3} << 31));  // but two that belong to the C library
    CHECK(signals.output.find("NoNewPrivs:\t1") != std::string::npos);
}

TEST(Exec, a_program_may_have_more_memory_than_the_agent_and_no_more_than_it_is_given) {
    rlimit before{};
    ::getrlimit(RLIMIT_DATA, &before);
    rlimit low = before;
    low.rlim_cur = rlim_t{24} << 20;
    CHECK(::setrlimit(RLIMIT_DATA, &low) == 0);
    client.drop("the test wants one that is started under the limit");
    wait([&] { return client.serving(); });
    ::setrlimit(RLIMIT_DATA, &before);
    constexpr const char* script = "x = bytearray(100 << 20); print(len(x))";
    const Outcome plenty = run({"/usr/bin/python3", "-c", script}, "", Duration::seconds(30), std::uint64_t{256} << 20);
    STRCMP_EQUAL("104857600\n", plenty.output.c_str());
    const Outcome scarce = run({"/usr/bin/python3", "-c", script}, "", Duration::seconds(30), std::uint64_t{48} << 20);
    CHECK(scarce.end == ExecEnd::exited && scarce.code == 1);
    CHECK(scarce.output.find("MemoryError") != std::string::npos);
}

TEST(Exec, four_run_at_once_and_a_fifth_is_refused) {
    for (int i = 0; i < 4; ++i) ask({"/bin/cat", "/dev/zero"}, "", Duration::millis(1500));
    const Outcome fifth = run({"/bin/true"});
    CHECK(fifth.end == ExecEnd::refused);
    wait([&] { return outcomes.size() == 5; });
    CHECK(run({"/bin/true"}).code == 0);
}

TEST(Exec, a_helper_that_dies_is_noticed_and_started_again) {
    const std::string seconds = "9876" + std::to_string(::getpid());
    ask({"/bin/sleep", seconds});
    wait([&] { return processes_with("/bin/sleep " + seconds) == 1; });
    ::kill(helper_of(::getpid()), SIGKILL);
    wait([&] { return losses == 1 && client.serving(); });
    LONGS_EQUAL(2, client.counters().starts);
    wait([&] { return processes_with("/bin/sleep " + seconds) == 0; });  // its programs died with it
    CHECK(run({"/bin/true"}).code == 0);
}

TEST(Exec, the_end_of_the_agent_is_the_end_of_helper_and_programs) {
    const std::string seconds = "6543" + std::to_string(::getpid());
    {
        ExecClient other({WEIR_EXEC, ""}, clock);
        ExecOutcome ignored;
        while (!other.serving()) {
            other.keep_up();
            (void)other.hear(ignored);
            ::usleep(1000);
        }
        ExecRequest request;
        request.count = 2;
        request.arguments = {"/bin/sleep", seconds};
        CHECK(other.request(request).ok());
        wait([&] { return processes_with("/bin/sleep " + seconds) == 1; });
    }
    wait([&] { return processes_with("/bin/sleep " + seconds) == 0; });
}

TEST(Exec, a_missing_helper_is_counted_and_tried_again) {
    ExecClient other({"/nowhere/weir-exec", ""}, clock);
    other.keep_up();
    LONGS_EQUAL(1, other.counters().failures);
    CHECK(other.next_attempt() > clock.monotonic());
    ExecRequest request;
    request.count = 1;
    request.arguments[0] = "/bin/true";
    CHECK(other.request(request).error() == Error::closed);
}

TEST(Exec, a_unit_that_listens_serves_one_agent_after_another) {
    char folder[] = "/tmp/weir-exec-XXXXXX";
    CHECK(::mkdtemp(folder) != nullptr);
    const std::string path = std::string(folder) + "/socket";
    const pid_t unit = ::fork();
    if (unit == 0) {
        ::execl(WEIR_EXEC, "weir-exec", "--listen", path.c_str(), nullptr);
        ::_exit(127);
    }
    for (int agent = 0; agent < 2; ++agent) {
        ExecClient other({"", path}, clock);
        ExecRequest request;
        request.count = 2;
        request.arguments = {"/bin/echo", "hello"};
        ExecOutcome outcome;
        const MonotonicTime limit = clock.monotonic() + Duration::seconds(30);
        while (!other.serving() && clock.monotonic() < limit) {
            other.keep_up();
            (void)other.hear(outcome);
            ::usleep(1000);
        }
        CHECK(other.request(request).ok());
        while (!other.hear(outcome)) ::usleep(1000);
        STRCMP_EQUAL("hello\n", std::string(outcome.output).c_str());
    }
    ::kill(unit, SIGTERM);
    ::unlink(path.c_str());
    ::rmdir(folder);
}
