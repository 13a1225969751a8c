#include "replay/options.hpp"

#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <optional>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct outcome
{
  std::optional<int> code;
  replay::options options;
  std::string out;
  std::string err;
};

outcome parse(std::vector<const char*> arguments)
{
  arguments.insert(arguments.begin(), "replay");
  outcome o;
  std::ostringstream out;
  std::ostringstream err;
  o.code = replay::parse(static_cast<int>(arguments.size()), arguments.data(), o.options, out, err);
  o.out = out.str();
  o.err = err.str();
  return o;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("no arguments are a complete run", "[options]")
{
  const outcome o = parse({});
  CHECK_FALSE(o.code);
  CHECK(replay::is_synthetic(o.options));
  CHECK(o.options.cases == std::vector<std::string>{"none", "device", "synchronous", "mtserve", "default"});
  CHECK(o.options.verify == 0);
  CHECK_NOTHROW(replay::check(o.options));
}

TEST_CASE("arguments are read", "[options]")
{
  const outcome o = parse({"--trace",     "folder",     "--stream",    "interaction",       "--history-scale",
                           "2.5",         "--requests", "10",          "--batch",           "2",
                           "--layers",    "3",          "--time-bias", "--device-mib",      "64",
                           "--link-gbps", "0",          "--cases",     "default,none,none", "--json",
                           "a.json",      "--report",   "b.html",      "--timeline",        "c.json",
                           "--quiet"});
  INFO(o.err);
  REQUIRE_FALSE(o.code);
  CHECK(o.options.trace == "folder");
  CHECK(o.options.stream == "interaction");
  CHECK(o.options.history_scale == 2.5);
  CHECK(o.options.requests == 10);
  CHECK(o.options.batch == 2);
  CHECK(o.options.layers == 3);
  CHECK(o.options.time_bias);
  CHECK_FALSE(o.options.position_bias);
  CHECK(o.options.device_mib == 64u);
  CHECK_FALSE(o.options.host_mib);
  CHECK(o.options.link_gbps == 0);
  CHECK(o.options.cases == std::vector<std::string>{"none", "default"});  // their order, each once
  CHECK(o.options.json == "a.json");
  CHECK(o.options.report == "b.html");
  CHECK(o.options.timeline == "c.json");
  CHECK(o.options.quiet);
}

TEST_CASE("--verify may come with a share or without", "[options]")
{
  CHECK(parse({"--verify"}).options.verify == 0.05);
  CHECK(parse({"--verify", "0.5"}).options.verify == 0.5);
  CHECK(parse({"--verify=1"}).options.verify == 1);
  const outcome o = parse({"--verify", "--quiet"});
  CHECK(o.options.verify == 0.05);
  CHECK(o.options.quiet);
}

TEST_CASE("bad arguments end with 2 and a sentence that names option, value and limit", "[options]")
{
  struct bad
  {
    std::vector<const char*> arguments;
    std::vector<std::string> said;
  };
  const std::vector<bad> all{
      {{"--batch", "0"}, {"--batch is 0", "at least 1"}},
      {{"--batch", "5000"}, {"--batch is 5000", "at most 4096"}},
      {{"--batch", "two"}, {"--batch", "'two' is not a whole number"}},
      {{"--batch", "-1"}, {"--batch", "'-1' is not a whole number"}},
      {{"--batch", "99999999999999999999"}, {"--batch", "out of range"}},
      {{"--device-mib", "0"}, {"--device-mib is 0", "at least 1"}},
      {{"--device-mib", "x"}, {"--device-mib", "'x' is not a whole number"}},
      {{"--history-scale", "nan"}, {"--history-scale is nan", "between 0 and 1000"}},
      {{"--host-share", "0"}, {"--host-share is 0", "above 0"}},
      {{"--link-gbps", "-1"}, {"--link-gbps is -1", "between 0"}},
      {{"--link-gbps", "1e-300"}, {"--link-gbps is 1e-300", "0 or at least 0.000001"}},
      {{"--trace", ""}, {"--trace: it must not be empty"}},
      {{"--json", ""}, {"--json: it must not be empty"}},
      {{"--report", ""}, {"--report: it must not be empty"}},
      {{"--timeline", ""}, {"--timeline: it must not be empty"}},
      {{"--chunk-tokens", "100"}, {"--chunk-tokens is 100", "multiple of --page-tokens (32)"}},
      {{"--page-tokens", "0"}, {"--page-tokens is 0", "at least 1"}},
      {{"--stream", "minute"}, {"--stream is 'minute'", "session or interaction"}},
      {{"--precision", "f16"}, {"--precision is 'f16'", "f32 or bf16"}},
      {{"--cases", "none,best"}, {"--cases is 'best'", "none, device, synchronous, mtserve, default"}},
      {{"--verify", "2"}, {"--verify is 2", "between 0 and 1"}},
      {{"--verify", "much"}, {"--verify", "'much' is not a number"}},
      {{"--json"}, {"--json"}},
      {{"--fast"}, {"--fast"}},
      {{"trace.tsv"}, {"trace.tsv"}},
  };
  for (const bad& b : all) {
    const outcome o = parse(b.arguments);
    INFO(b.arguments.front() << ": " << o.err);
    CHECK(o.code == 2);
    CHECK(o.out.empty());
    for (const std::string& part : b.said) CHECK(contains(o.err, part));
  }
}

TEST_CASE("a group stands for its cases, which run in their own order, each once", "[options]")
{
  using keys = std::vector<std::string>;
  CHECK(parse({"--cases", "all"}).options.cases == replay::all_cases());
  CHECK(parse({"--cases", "plain"}).options.cases == replay::plain_cases());
  CHECK(parse({"--cases", "layouts"}).options.cases == keys{"none", "default", "contiguous"});
  CHECK(parse({"--cases", "split,layouts,none"}).options.cases == keys{"none", "default", "contiguous", "split"});
  for (const char* group : {"engines", "writes", "ahead"}) {
    const keys cases = parse({"--cases", group}).options.cases;
    INFO(group);
    CHECK(cases.size() > 3);
    CHECK(cases.front() == "none");
    CHECK(std::find(cases.begin(), cases.end(), "default") != cases.end());
  }
  // Every case is somebody's, and only "all" names it when it belongs nowhere.
  keys grouped;
  for (const replay::case_group& g : replay::case_groups()) {
    for (const std::string& key : g.cases) CHECK_NOTHROW(replay::find_entry(key));
    grouped.insert(grouped.end(), g.cases.begin(), g.cases.end());
  }
  CHECK(replay::expand_cases(grouped) == replay::all_cases());
}

TEST_CASE("--help tells every case and group in a sentence", "[options]")
{
  std::string flat = std::regex_replace(parse({"--help"}).out, std::regex("\\s+"), " ");
  for (const replay::case_entry& c : replay::case_list()) CHECK(contains(flat, c.key + " " + c.description));
  for (const replay::case_group& g : replay::case_groups()) CHECK(contains(flat, g.key + " " + g.description));
}

TEST_CASE("--help ends with 0 and knows every option of the report's settings", "[options]")
{
  const outcome o = parse({"--help"});
  CHECK(o.code == 0);
  CHECK(o.err.empty());
  for (const replay::setting& s : replay::describe(replay::options{})) {
    INFO(s.name);
    CHECK(contains(o.out, s.name));
    CHECK_FALSE(s.value.empty());
    CHECK_FALSE(s.meaning.empty());
  }
}

TEST_CASE("a store brings a case of its own, and host memory that is too small unless that is said", "[options]")
{
  using keys = std::vector<std::string>;
  const outcome o = parse({"--cases", "none,default", "--nvme", "kv", "--nvme-bytes", "64000000"});
  INFO(o.err);
  REQUIRE_FALSE(o.code);
  CHECK(o.options.cases == keys{"none", "default", "nvme"});
  CHECK(o.options.host_share == replay::host_share_over_store);
  const outcome said =
      parse({"--nvme", "kv", "--nvme-bytes", "64000000", "--host-share", "1.5", "--restart-at", "100"});
  CHECK(said.options.host_share == 1.5);
  CHECK(said.options.restart_at == 100U);
  const auto refused = [](const std::vector<const char*>& arguments, const std::string& sentence) {
    const outcome bad = parse(arguments);
    CAPTURE(bad.err);
    CHECK(bad.code == 2);
    CHECK(contains(bad.err, sentence));
  };
  refused({"--nvme-bytes", "64000000"}, "--nvme-bytes is 64000000, but there is no store: name its file by --nvme");
  refused({"--nvme-region-bytes", "32768"}, "--nvme-region-bytes is 32768, but there is no store");
  refused({"--restart-at", "5"}, "--restart-at is 5, but there is no store");
  refused({"--cases", "nvme"}, "--cases is 'nvme', but it must name some of");
  refused({"--nvme", "kv"}, "--nvme is 'kv', but it takes --nvme-bytes");
  refused({"--nvme", "kv", "--nvme-bytes", "1000"}, "--nvme-bytes is 1000, but it must be at least 1048576");
  refused({"--nvme", "kv", "--nvme-bytes", "2000000", "--nvme-region-bytes", "40000"}, "it must be a multiple of 4096");
  refused({"--nvme", "kv", "--nvme-bytes", "2000000", "--nvme-region-bytes", "409600"}, "it may be at most 285714");
  refused({"--nvme", "kv", "--nvme-bytes", "2000000", "--restart-at", "480"}, "it may be at most 479");
}

TEST_CASE("a cluster brings a case of its own; processes want one", "[options]")
{
  using keys = std::vector<std::string>;
  const outcome o = parse({"--cases", "none,default", "--cluster", "127.0.0.1:7501", "--processes", "2"});
  INFO(o.err);
  REQUIRE_FALSE(o.code);
  CHECK(o.options.cases == keys{"none", "default", "cluster"});
  CHECK(o.options.host_share == replay::host_share_over_store);
  CHECK(o.options.processes == 2U);
  const auto refused = [](const std::vector<const char*>& arguments, const std::string& sentence) {
    const outcome bad = parse(arguments);
    CAPTURE(bad.err);
    CHECK(bad.code == 2);
    CHECK(contains(bad.err, sentence));
  };
  refused({"--processes", "2"}, "--processes is 2, but they share nothing: name a cluster by --cluster");
  refused({"--cluster", "localhost"}, "--cluster is localhost, but it must be a host and a port");
  refused({"--cluster", "localhost:7501", "--processes", "17"}, "--processes is 17, but it may be at most 16");
  CHECK(o.options.routers == keys{"round_robin", "user"});
  const outcome all = parse({"--cluster", "localhost:7501", "--processes", "2", "--routers", "affinity,hit,soonest"});
  CHECK(all.options.routers == keys{"affinity", "hit", "soonest"});
  refused({"--cluster", "localhost:7501", "--processes", "2", "--routers", "best"},
          "--routers is 'best', but it must be affinity, soonest, hit, load, round_robin or user");
  refused({"--cases", "cluster"}, "--cases is 'cluster', but it must name some of");
}

TEST_CASE("a command line asks for one model; what there is none of is refused", "[options]")
{
  const auto asked = [](std::vector<const char*> words) {
    words.insert(words.begin(), "replay");
    return std::string(replay::asked_model(static_cast<int>(words.size()), words.data()));
  };
  CHECK(asked({}) == "hstu");
  CHECK(asked({"--users", "4"}) == "hstu");
  CHECK(asked({"--users", "4", "--model", "decoder"}) == "decoder");
  CHECK(asked({"--model=mtgr"}) == "mtgr");
  CHECK(asked({"--model"}) == "hstu");
  CHECK(asked({"--models=mtgr"}) == "hstu");
  CHECK_FALSE(parse({"--model", "hstu"}).code);
  const outcome bad = parse({"--model", "dlrm"});
  CAPTURE(bad.err);
  CHECK(bad.code == 2);
  CHECK(contains(bad.err, "dlrm is no model of the replay; there are hstu, mtgr and decoder"));
}
