#include "tests/sim/scenario.h"

namespace weir::sim {
namespace {

std::string seconds(std::int64_t n) { return "\"" + std::to_string(n) + "s\""; }

// The first window says which events it has counted: digits0 and digits1 are sums of powers of four, one an event of a
// site and minute, so each digit of theirs is how often an event was counted.
std::string config_of(const AgentScenario& agent, Chance chance, const std::string& certificates, bool edited) {
    const std::string site = std::to_string(agent.keys + 2);
    std::string text = "[agent]\nid = \"" + agent.id + "\"\nmemory = \"20MiB\"\nstate = \"/sim/" + agent.id + "/state\"\nrun = \"/sim/" + agent.id +
                       "/run\"\njournal = { size = \"512KiB\", on = \"" + (agent.journal_on_disk ? "disk" : "memory") + "\" }\ncheckpoint = " +
                       seconds(chance.between(1, 10)) + "\nflush = " + seconds(chance.between(10, 300)) + "\nflash_budget = \"1000GiB/day\"\n";
    text += "[mqtt]\nurl = \"mqtt://broker\"\nmax_message = \"4KiB\"\nmax_inflight = " + std::to_string(agent.max_inflight) + "\n";
    text += "[[source]]\nname = \"s\"\ntopics = [\"t/{site}\"]\ncolumns = { w0 = \"int\", w1 = \"int\", v = \"float\", u = \"string\" }\n"
            "time = { field = \"ts\", lateness = \"2s\", idle = " + seconds(chance.one_in(2) ? 30 : 600) + ", max_future = \"1m\" }\npartition = \"site\"\nmax_partitions = 8\n";
    std::string late;
    switch (chance.below(3)) {
        case 0: break;
        case 1: late = "late = { allow = \"40s\", then = \"revise\" }\n"; break;
        case 2: late = "late = { allow = \"40s\", then = \"side\" }\n"; break;
    }
    text += "[[window]]\nname = \"w\"\nfrom = \"s\"\nby = [\"site\"]\nsize = \"1m\"\nmax_groups = " + site + "\n" + late +
            "select = { n = \"count()\", digits0 = \"sum(w0)\", digits1 = \"sum(w1)\" }\n";
    text += "[[alert]]\nname = \"many\"\nfrom = \"w\"\nwhen = \"n > 20\"\nclear = \"n < 10\"\n";
    const std::string head = "[[window]]\nfrom = \"s\"\nby = [\"site\"]\nmax_groups = " + site + "\n";
    const std::string more[] = {
        head + "name = \"hop\"\nsize = \"1m\"\nevery = \"20s\"\nselect = { n = \"count()\", m = \"mean(v)\" }\n",
        head + "name = \"session\"\nsession = \"10s\"\nselect = { n = \"count()\", most = \"max(v)\" }\n",
        head + "name = \"fifty\"\ncount = 50\nmax_wait = \"5m\"\nselect = { n = \"count()\", least = \"min(v)\" }\n",
        head + "name = \"sketch\"\nsize = \"2m\"\nselect = { n = \"count()\", u = \"distinct(u)\", p = \"quantile(v, 0.9)\" }\n",
        head + "name = \"tens\"\nsize = \"10s\"\nwhere = \"v > 20.0\"\nselect = { n = \"count()\", d = \"stddev(v)\" }\n",
    };
    for (const std::string& window : more)
        if (chance.percent(40)) text += window;
    text += head + "name = \"edited\"\nsize = \"3m\"\nselect = { n = \"count()\", x = \"" + (edited ? "min(v)" : "max(v)") + "\" }\n";
    // Large enough for every outage of an hour: what is lost here would be an error.
    text += "[uplink]\nurl = \"tls://bridge:7400\"\noutbox = \"8MiB\"\non_full = \"drop-oldest\"\nrate = \"1MiB/s\"\ntls.ca = \"" + certificates +
            "/ca.pem\"\ntls.cert = \"" + certificates + "/" + agent.id + ".pem\"\ntls.key = \"" + certificates + "/" + agent.id + ".key\"\n";
    return text;
}

}  // namespace

std::string_view name(Fault fault) {
    constexpr std::string_view names[fault_kinds] = {"kill",          "power_cut",     "connection_lost", "session_lost", "broker_away",
                                                     "uplink_cut",    "answers_lost",  "bridge_killed",   "bridge_paused", "kafka_away",
                                                     "kafka_vague",   "disk_full",     "slow_sync",       "clock_step",   "edit"};
    return names[static_cast<std::size_t>(fault)];
}

Scenario Scenario::make(std::uint64_t seed, const std::string& certificates) {
    Chance chance(seed);
    Scenario out;
    out.seed = seed;
    const auto agents = static_cast<unsigned>(chance.one_in(2) ? 1 : chance.between(2, 3));
    out.bridges = static_cast<unsigned>(chance.between(1, 2));
    for (unsigned i = 1; i <= agents; ++i) {
        AgentScenario agent;
        agent.id = "a" + std::to_string(i);
        agent.keys = static_cast<unsigned>(chance.between(1, 6));
        agent.messages_a_second = chance.entropy().unit() * (agents == 1 ? 3 : 1.5) + 0.2;
        const auto some = [&](double most) { return chance.one_in(2) ? chance.entropy().unit() * most : 0.0; };
        agent.late_percent = some(8);
        agent.out_of_order_percent = some(30);
        agent.duplicate_percent = some(5);
        agent.bad_percent = some(5);
        agent.burst_percent = some(20);
        agent.silence_percent = some(10);
        agent.max_inflight = static_cast<std::size_t>(chance.between(1, 20));
        agent.journal_on_disk = chance.one_in(3);
        const std::uint64_t of_config = chance.entropy().word();
        for (const bool edited : {false, true}) agent.config[edited] = config_of(agent, Chance(of_config), certificates, edited);
        out.agents.push_back(std::move(agent));
    }
    // How often an hour, where it happens at all.
    constexpr std::array<double, fault_kinds> often = {10, 6, 20, 3, 4, 8, 4, 3, 2, 3, 3, 2, 10, 4, 3};
    for (std::size_t i = 0; i < fault_kinds; ++i)
        if (chance.percent(40)) out.per_hour[i] = often[i] * (0.3 + 1.4 * chance.entropy().unit());
    return out;
}

}  // namespace weir::sim
