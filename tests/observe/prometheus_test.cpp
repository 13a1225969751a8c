// Prometheus text, read back by a reader of its own: names, escapes, buckets, and every count of a snapshot.
#include "observe/prometheus_reader.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/observe/prometheus.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <locale>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::prometheus_reader;
using kvstrata_test::prometheus_sample;
using labels = std::map<std::string, std::string>;

/// A snapshot of a cache of as many levels as there may be, in which no two counts are alike.
counters::snapshot all_different()
{
  using words = std::array<std::uint64_t, sizeof(counters::snapshot) / sizeof(std::uint64_t)>;
  words w{};
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = 1'000'003 + 7 * i;
  auto s = std::bit_cast<counters::snapshot>(w);
  s.levels = most_levels;
  return s;
}

/// Group thousands and write a comma for the decimal point, as some countries do.
struct elsewhere : std::numpunct<char>
{
  char do_thousands_sep() const override { return '.'; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

}  // namespace

TEST_CASE("prometheus: every count of a snapshot is there, under its name")
{
  const counters::snapshot s = all_different();
  const prometheus_reader text(to_prometheus(s));
  const auto value = [&](const std::string& name, const labels& of = {}) {
    return text.sample("kvstrata_" + name, of).value;
  };
  const auto is = [](std::uint64_t n) { return std::to_string(n); };
  REQUIRE(value("batches_total") == is(s.batches));
  REQUIRE(value("requests_total") == is(s.requests));
  const auto of_level = [&](const std::string& name, std::size_t level) {
    return value(name, {{"level", std::to_string(level)}});
  };
  REQUIRE(value("computed_tokens_total") == is(s.computed_tokens));
  REQUIRE(value("recomputed_tokens_total") == is(s.recomputed_tokens));
  REQUIRE(value("committed_tokens_total") == is(s.committed_tokens));
  REQUIRE(value("relocated_bytes_total") == is(s.relocated_bytes));
  REQUIRE(value("copies_total", {{"move", "onload"}}) == is(s.onload_copies));
  REQUIRE(value("copies_total", {{"move", "offload"}}) == is(s.offload_copies));
  REQUIRE(value("copies_total", {{"move", "relocation"}}) == is(s.relocated_copies));
  REQUIRE(value("copy_pieces_total", {{"move", "onload"}}) == is(s.onload_pieces));
  REQUIRE(value("copy_pieces_total", {{"move", "offload"}}) == is(s.offload_pieces));
  REQUIRE(value("copy_pieces_total", {{"move", "relocation"}}) == is(s.relocated_pieces));
  REQUIRE(value("forgotten_tokens_total", {{"reason", "rewritten"}}) == is(s.rewritten_tokens));
  REQUIRE(value("forgotten_tokens_total", {{"reason", "widened"}}) == is(s.widened_tokens));
  REQUIRE(value("forgotten_tokens_total", {{"reason", "passed"}}) == is(s.passed_tokens));
  REQUIRE(value("forgotten_tokens_total", {{"reason", "overwritten"}}) == is(s.overwritten_tokens));
  REQUIRE(value("forgotten_tokens_total", {{"reason", "stranded"}}) == is(s.stranded_tokens));
  REQUIRE(value("refusals_tokens_total", {{"reason", "held"}}) == is(s.refused_for[0]));
  REQUIRE(value("refusals_tokens_total", {{"reason", "full"}}) == is(s.refused_for[1]));
  REQUIRE(value("refusals_tokens_total", {{"reason", "apart"}}) == is(s.refused_for[2]));
  REQUIRE(value("refusals_tokens_total", {{"reason", "not_admitted"}}) == is(s.refused_for[3]));
  REQUIRE(value("delayed_tokens_total") == is(s.delayed_tokens));
  REQUIRE(value("cleaned_tokens_total") == is(s.cleaned_tokens));
  REQUIRE(value("prefetched_tokens_total") == is(s.prefetched_tokens));
  REQUIRE(value("prefetch_displaced_tokens_total") == is(s.displaced_tokens));
  REQUIRE(value("prefetch_undone_tokens_total") == is(s.undone_tokens));
  REQUIRE(value("prefetch_saved_tokens_total") == is(s.saved_tokens));
  REQUIRE(value("calls_total", {{"call", "prepare"}}) == is(s.calls[0]));
  REQUIRE(value("calls_total", {{"call", "clean"}}) == is(s.calls[5]));
  REQUIRE(value("pressure_total") == is(s.pressure));
  for (std::size_t i = 0; i < pressure_reasons; ++i) {
    const std::string why(name_of(static_cast<pressure::reason>(i)));
    REQUIRE(value("pressure_by_total", {{"reason", why}}) == is(s.pressure_for[i]));
  }
  REQUIRE(value("epochs_total") == is(s.epochs));
  for (std::size_t i = 0; i < most_levels; ++i) {
    REQUIRE(of_level("served_tokens_total", i) == is(s.served_tokens[i]));
    REQUIRE(of_level("onload_bytes_total", i) == is(s.onload_bytes[i]));
    REQUIRE(of_level("offload_bytes_total", i) == is(s.offload_bytes[i]));
    REQUIRE(of_level("waited_pages_total", i) == is(s.waited_pages[i]));
    REQUIRE(of_level("evicted_tokens_total", i) == is(s.evicted_tokens[i]));
    REQUIRE(of_level("dropped_tokens_total", i) == is(s.dropped_tokens[i]));
    REQUIRE(of_level("unread_tokens_total", i) == is(s.unread_tokens[i]));
    REQUIRE(of_level("refused_tokens_total", i) == is(s.refused_tokens[i]));
    REQUIRE(of_level("write_dropped_tokens_total", i) == is(s.write_dropped_tokens[i]));
    REQUIRE(of_level("hit_age_requests_sum", i) == is(s.hit_ages[i].sum));
    REQUIRE(of_level("hit_age_requests_count", i) == is(s.hit_ages[i].total()));
    REQUIRE(of_level("eviction_age_requests_sum", i) == is(s.eviction_ages[i].sum));
    REQUIRE(of_level("eviction_age_requests_count", i) == is(s.eviction_ages[i].total()));
  }

  // Nothing is left out: each count of the snapshot but the number of levels, and each sample is another one.
  std::set<std::string> values;
  std::size_t plain = 0;
  for (const auto& [name, family] : text.families) {
    REQUIRE(name.starts_with("kvstrata_"));
    REQUIRE(!family.help.empty());
    REQUIRE((family.type == "counter") == name.ends_with("_total"));
    if (family.type != "counter") continue;
    for (const prometheus_sample& sample : family.samples) values.insert(sample.value);
    plain += family.samples.size();
  }
  const std::size_t histograms = 2 * most_levels * sizeof(log2_histogram) / sizeof(std::uint64_t);
  REQUIRE(plain == sizeof(counters::snapshot) / sizeof(std::uint64_t) - histograms - 1);
  REQUIRE(values.size() == plain);
}

TEST_CASE("prometheus: there is a series for each level that the cache has, and for no other")
{
  counters::snapshot s = all_different();
  for (const std::uint64_t levels : {1U, 2U, 3U}) {
    s.levels = levels;
    const prometheus_reader text(to_prometheus(s));
    for (const auto& [name, family] : text.families) {
      std::set<std::string> found;
      for (const prometheus_sample& sample : family.samples) {
        if (sample.labels.contains("level")) found.insert(sample.labels.at("level"));
      }
      CAPTURE(name, levels);
      REQUIRE((found.empty() || found.size() == levels));
      if (!found.empty()) REQUIRE(*found.rbegin() == std::to_string(levels - 1));
    }
    REQUIRE(text.families.at("kvstrata_evicted_tokens_total").samples.size() == levels);
  }
}

TEST_CASE("prometheus: buckets are cumulative, with exact limits, and end with all")
{
  log2_histogram h;
  for (const std::uint64_t v : std::initializer_list<std::uint64_t>{0, 1, 1, 2, 3, 4, 1000}) h.add(v);
  h.add(std::uint64_t{1} << 50);
  std::ostringstream out;
  prometheus_writer writer(out, {{"cache", "a"}});
  writer.histogram("age", "Ages.", h, {{"tier", "device"}});
  const prometheus_reader text(out.str());
  const auto& samples = text.families.at("kvstrata_age").samples;
  REQUIRE(samples.size() == log2_histogram::buckets + 2);
  double last_limit = -1;
  double last_count = 0;
  for (std::size_t i = 0; i < log2_histogram::buckets; ++i) {
    REQUIRE(samples[i].name == "kvstrata_age_bucket");
    const double limit = std::strtod(samples[i].labels.at("le").c_str(), nullptr);
    REQUIRE(limit > last_limit);
    REQUIRE(samples[i].number() >= last_count);
    last_limit = limit;
    last_count = samples[i].number();
  }
  REQUIRE(samples[log2_histogram::buckets - 1].labels.at("le") == "+Inf");
  const auto at = [&](const char* limit) {
    return text.sample("kvstrata_age_bucket", {{"cache", "a"}, {"tier", "device"}, {"le", limit}}).number();
  };
  REQUIRE(at("0") == 1);
  REQUIRE(at("1") == 3);
  REQUIRE(at("3") == 5);
  REQUIRE(at("7") == 6);
  REQUIRE(at("511") == 6);
  REQUIRE(at("1023") == 7);
  REQUIRE(at("1073741823") == 7);
  REQUIRE(at("+Inf") == 8);
  REQUIRE(text.sample("kvstrata_age_count", {{"cache", "a"}, {"tier", "device"}}).number() == 8);
  REQUIRE(text.sample("kvstrata_age_sum", {{"cache", "a"}, {"tier", "device"}}).value ==
          std::to_string((std::uint64_t{1} << 50) + 1011));
}

TEST_CASE("prometheus: any text may be a label's value or a help")
{
  const std::string nasty = "a\"b\\c\nd\\n{,}= \xC3\xA4";
  std::ostringstream out;
  prometheus_writer writer(out, {{"cache", nasty}});
  writer.gauge("level", nasty, std::uint64_t{18'446'744'073'709'551'615U}, {{"other", ""}});
  const prometheus_reader text(out.str());
  REQUIRE(text.families.at("kvstrata_level").help == nasty);
  REQUIRE(text.families.at("kvstrata_level").type == "gauge");
  const prometheus_sample& s = text.families.at("kvstrata_level").samples.at(0);
  REQUIRE(s.labels == labels{{"cache", nasty}, {"other", ""}});
  REQUIRE(s.value == "18446744073709551615");
}

TEST_CASE("prometheus: gauges keep every bit of a double, and know what is none")
{
  std::ostringstream out;
  prometheus_writer writer(out);
  constexpr double infinite = std::numeric_limits<double>::infinity();
  const double values[] = {0.1, -3.25, 1e300, 5e-324, 1.0 / 3};
  int i = 0;
  for (const double v : values) writer.gauge("v", "V.", v, {{"i", std::to_string(i++)}});
  writer.gauge("v", "V.", infinite, {{"i", "inf"}});
  writer.gauge("v", "V.", -infinite, {{"i", "-inf"}});
  writer.gauge("v", "V.", std::nan(""), {{"i", "nan"}});
  const prometheus_reader text(out.str());
  i = 0;
  for (const double v : values) REQUIRE(text.sample("kvstrata_v", {{"i", std::to_string(i++)}}).number() == v);
  REQUIRE(text.sample("kvstrata_v", {{"i", "inf"}}).value == "+Inf");
  REQUIRE(text.sample("kvstrata_v", {{"i", "-inf"}}).value == "-Inf");
  REQUIRE(text.sample("kvstrata_v", {{"i", "nan"}}).value == "NaN");
}

TEST_CASE("prometheus: several caches stand in one exposition, each metric with one head")
{
  counters::snapshot b = all_different();
  b.batches = 5;
  b.hit_ages[1].counts[3] = 77;
  const std::vector<labelled<counters::snapshot>> both{{{{"shard", "0"}}, all_different()}, {{{"shard", "1"}}, b}};
  for (const metrics_format format : {metrics_format::prometheus_text, metrics_format::open_metrics}) {
    const std::string text = to_prometheus(both, {{"cache", "a"}}, format);
    const prometheus_reader read(text, format == metrics_format::open_metrics);
    const prometheus_reader one(to_prometheus(b, {}, format), format == metrics_format::open_metrics);
    REQUIRE(read.families.size() == one.families.size());
    for (const auto& [name, family] : one.families) {
      REQUIRE(read.families.at(name).samples.size() == 2 * family.samples.size());
      for (const prometheus_sample& s : family.samples) {
        labels with = s.labels;
        with["cache"] = "a";
        with["shard"] = "1";
        REQUIRE(read.sample(s.name, with).value == s.value);
      }
    }
    REQUIRE(read.sample("kvstrata_batches_total", {{"cache", "a"}, {"shard", "0"}}).value ==
            std::to_string(all_different().batches));
  }
  // None is none; two that nothing tells apart are refused.
  REQUIRE(to_prometheus(std::vector<labelled<counters::snapshot>>{}).empty());
  const std::vector<labelled<counters::snapshot>> alike{{{{"shard", "0"}}, b}, {{{"shard", "0"}}, b}};
  REQUIRE(kvstrata_test::sentence_of<usage_error>([&] { static_cast<void>(to_prometheus(alike)); }) ==
          "the metric kvstrata_batches has two values for the labels {shard=\"0\"}");
}

TEST_CASE("prometheus: a server's own metrics have a prefix of their own")
{
  std::ostringstream out;
  prometheus_writer to(out);
  to.counter("batches", "Of the cache.", 1);
  to.use_prefix("ranker_");
  to.counter("batches", "Of the server.", 2);
  to.gauge("2_waiting", "A digit behind a prefix.", std::uint64_t{3});
  to.use_prefix("");
  to.gauge("up", "Neither.", std::uint64_t{4});
  CHECK_THROWS_WITH(to.gauge("2_up", "", std::uint64_t{1}),
                    "'2_up' is no name for a metric; letters, digits, _ and : are allowed");
  for (const char* wrong : {"2_", "a-", "a b"}) {
    CHECK_THROWS_WITH(to.use_prefix(wrong), "'" + std::string(wrong) +
                                                "' is no prefix for metrics; letters, digits, _ and : are allowed, but "
                                                "no digit in front");
  }
  to.use_prefix("kvstrata_");
  CHECK_THROWS_AS(to.counter("batches", "Taken up again.", 1), usage_error);
  CHECK(out.str() ==
        "# HELP kvstrata_batches_total Of the cache.\n# TYPE kvstrata_batches_total counter\nkvstrata_batches_total 1\n"
        "# HELP ranker_batches_total Of the server.\n# TYPE ranker_batches_total counter\nranker_batches_total 2\n"
        "# HELP ranker_2_waiting A digit behind a prefix.\n# TYPE ranker_2_waiting gauge\nranker_2_waiting 3\n"
        "# HELP up Neither.\n# TYPE up gauge\nup 4\n");
}

TEST_CASE("prometheus: OpenMetrics, to the letter")
{
  log2_histogram h;
  h.add(3);
  std::ostringstream out;
  prometheus_writer to(out, {{"cache", "a"}}, metrics_format::open_metrics);
  to.counter("hits", "Say \"hit\".", 3, {{"tier", "x"}});
  to.gauge("load", "Load.", 0.5);
  to.histogram("age", "Ages.", h);
  to.finish();
  const std::string text = out.str();
  REQUIRE(text.starts_with(R"(# HELP kvstrata_hits Say \"hit\".
# TYPE kvstrata_hits counter
kvstrata_hits_total{cache="a",tier="x"} 3
# HELP kvstrata_load Load.
# TYPE kvstrata_load gauge
kvstrata_load{cache="a"} 0.5
# HELP kvstrata_age Ages.
# TYPE kvstrata_age histogram
kvstrata_age_bucket{cache="a",le="0.0"} 0
kvstrata_age_bucket{cache="a",le="1.0"} 0
kvstrata_age_bucket{cache="a",le="3.0"} 1
)"));
  REQUIRE(text.ends_with(R"(
kvstrata_age_bucket{cache="a",le="+Inf"} 1
kvstrata_age_sum{cache="a"} 3
kvstrata_age_count{cache="a"} 1
# EOF
)"));
  REQUIRE(prometheus_reader(text, true).families.size() == 3);
  REQUIRE_THROWS_AS(to.gauge("late", "Late.", 1.0), usage_error);
  REQUIRE_THROWS_AS(to.finish(), usage_error);
  REQUIRE(out.str() == text);
}

TEST_CASE("prometheus: bytes that are no UTF-8 are replaced in labels and helps")
{
  const std::string bad = "\xEF\xBF\xBD";
  std::ostringstream out;
  prometheus_writer to(out, {{"cache", "a\xFF\xC3"}});
  to.gauge("level", "h\xE2\x82\"", 1.0, {{"other", "\xED\xA0\x80\xC3\xA4"}});
  const prometheus_reader read(out.str());
  REQUIRE(read.families.at("kvstrata_level").help == "h" + bad + bad + "\"");
  REQUIRE(read.families.at("kvstrata_level").samples.at(0).labels ==
          labels{{"cache", "a" + bad + bad}, {"other", bad + bad + bad + "\xC3\xA4"}});
  // What is alike then is one series.
  to.gauge("level", "Help.", 1.0, {{"other", "\xFE"}});
  REQUIRE_THROWS_AS(to.gauge("level", "Help.", 1.0, {{"other", "\xFF"}}), usage_error);
}

TEST_CASE("prometheus: nothing is said twice, whichever way")
{
  using kvstrata_test::sentence_of;
  for (const metrics_format format : {metrics_format::prometheus_text, metrics_format::open_metrics}) {
    std::ostringstream out;
    prometheus_writer to(out, {{"cache", "a"}}, format);
    const auto refused = [&](const std::function<void()>& call) {
      const std::string before = out.str();
      const std::string why = sentence_of<usage_error>(call);
      REQUIRE(out.str() == before);
      return why;
    };
    const log2_histogram h;
    to.gauge("level", "Help.", 1.0, {{"x", "1"}, {"y", "2"}});
    const std::string twice = "the metric kvstrata_level has two values for the labels {cache=\"a\",x=\"1\",y=\"2\"}";
    REQUIRE(refused([&] { to.gauge("level", "Help.", 2.0, {{"x", "1"}, {"y", "2"}}); }) == twice);
    REQUIRE(refused([&] { to.gauge("level", "Help.", 2.0, {{"y", "2"}, {"x", "1"}}); }) == twice);
    REQUIRE(refused([&] { to.gauge("level", "Help.", 2.0, {{"y", "2"}, {"x", "1"}, {"z", ""}}); }) == twice);
    to.gauge("level", "Help.", 2.0, {{"x", "1"}});
    // A name has one type.
    REQUIRE(refused([&] { to.histogram("level", "Help.", h); }) ==
            "the metric kvstrata_level is a gauge; it cannot be a histogram, too");
    REQUIRE(refused([&] { to.counter("level", "Help.", 1); }) ==
            "the metric kvstrata_level is a gauge; it cannot be a counter, too");
    to.histogram("age", "Help.", h);
    REQUIRE(refused([&] { to.gauge("age", "Help.", 1.0); }) ==
            "the metric kvstrata_age is a histogram; it cannot be a gauge, too");
    REQUIRE(refused([&] { to.histogram("age", "Help.", h); }) ==
            "the metric kvstrata_age has two values for the labels {cache=\"a\"}");
    REQUIRE(refused([&] { to.gauge("level", "Help.", 3.0, {{"x", "3"}}); }) ==
            "the metric kvstrata_level was written before; its samples must come one after another: several caches are "
            "written as a list of labelled snapshots");
    // Nor are a metric's samples called like another metric, before or after it.
    for (const char* const name : {"age_bucket", "age_sum", "age_count", "age_created"}) {
      REQUIRE(refused([&] { to.gauge(name, "Help.", 1.0); }) == "the gauge kvstrata_" + std::string(name) +
                                                                    " needs the name kvstrata_" + name +
                                                                    ", which the metric kvstrata_age has");
    }
    to.gauge("size_count", "Help.", 1.0);
    REQUIRE(refused([&] { to.histogram("size", "Help.", h); }) ==
            "the histogram kvstrata_size needs the name kvstrata_size_count, which the metric kvstrata_size_count has");
    to.counter("hits", "Help.", 1);
    REQUIRE_FALSE(refused([&] { to.gauge("hits_total", "Help.", 1.0); }).find("kvstrata_hits_total") ==
                  std::string::npos);
    to.gauge("misses_total", "Help.", 1.0);
    REQUIRE_FALSE(refused([&] { to.counter("misses", "Help.", 1); }).find("kvstrata_misses_total") ==
                  std::string::npos);
    to.finish();
    if (format == metrics_format::open_metrics) REQUIRE(prometheus_reader(out.str(), true).families.size() == 5);
  }
}

TEST_CASE("prometheus: a stream's locale changes nothing")
{
  std::ostringstream here;
  std::ostringstream there;
  there.imbue(std::locale(std::locale::classic(), new elsewhere));
  write_prometheus(here, all_different(), {{"cache", "a"}});
  write_prometheus(there, all_different(), {{"cache", "a"}});
  REQUIRE(here.str() == there.str());
}

TEST_CASE("prometheus: what the format does not allow is refused before anything is written")
{
  std::ostringstream out;
  REQUIRE_THROWS_AS(prometheus_writer(out, {{"not-a-name", "x"}}), usage_error);
  REQUIRE_THROWS_AS(prometheus_writer(out, {{"a", "x"}, {"a", "y"}}), usage_error);
  prometheus_writer writer(out, {{"cache", "a"}});
  REQUIRE_THROWS_AS(writer.counter("", "Help.", 1), usage_error);
  REQUIRE_THROWS_AS(writer.counter("two words", "Help.", 1), usage_error);
  REQUIRE_THROWS_AS(writer.counter("n", "Help.", 1, {{"1st", "x"}}), usage_error);
  REQUIRE_THROWS_AS(writer.counter("n", "Help.", 1, {{"", "x"}}), usage_error);
  REQUIRE_THROWS_AS(writer.counter("n", "Help.", 1, {{"__mine", "x"}}), usage_error);
  REQUIRE_THROWS_AS(writer.counter("n", "Help.", 1, {{"cache", "x"}}), usage_error);
  REQUIRE_THROWS_AS(writer.histogram("n", "Help.", {}, {{"le", "x"}}), usage_error);
  REQUIRE(out.str().empty());
  writer.counter("n", "Help.", 1, {{"le", "fine in a counter"}});
  writer.counter("n", "Help.", 2, {{"le", "another sample of the same metric"}});
  writer.gauge("m", "Help.", 1.5);
  const std::string so_far = out.str();
  REQUIRE_THROWS_AS(writer.counter("n", "Help.", 3), usage_error);
  REQUIRE(out.str() == so_far);
  REQUIRE(prometheus_reader(so_far).families.size() == 2);
}
