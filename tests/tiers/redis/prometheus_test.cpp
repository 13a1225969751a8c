// What a monitoring system reads of a redis_cluster.
#include "support/catch.hpp"

#include <kvstrata/tiers/redis/prometheus.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace kvstrata;

TEST_CASE("a cluster's figures are written for Prometheus, every one of them once")
{
  // Each count is another number, so that none can be written in another's place, or left out.
  constexpr std::size_t counts = sizeof(redis::cluster_counts) / sizeof(std::uint64_t);
  std::array<std::uint64_t, counts> numbers{};
  std::iota(numbers.begin(), numbers.end(), 1000);
  redis::cluster_figures figures;
  figures.counts = std::bit_cast<redis::cluster_counts>(numbers);
  figures.servers = 2001;
  figures.served_slots = 2002;
  figures.waiting_erasures = 2003;
  figures.known_sequences = 2004;
  std::ostringstream text;
  prometheus_writer to(text, {{"store", "a"}});
  write_prometheus(to, figures);
  to.finish();
  const std::string all = text.str();
  INFO(all);
  std::multiset<std::string> values;
  std::istringstream lines(all);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] != '#') values.insert(line.substr(line.rfind(' ') + 1));
  }
  for (const std::uint64_t number : numbers) CHECK(values.count(std::to_string(number)) == 1);
  CHECK(values.size() == counts + 4);
  const auto has = [&all](const std::string& line) { return all.find(line) != std::string::npos; };
  CHECK(has("# TYPE kvstrata_cluster_calls_total counter\n"));
  CHECK(has("cluster_calls_total{store=\"a\",call=\"put\"} " + std::to_string(figures.counts.puts) + "\n"));
  CHECK(has("cluster_lost_total{store=\"a\",why=\"away\"} " + std::to_string(figures.counts.away) + "\n"));
  CHECK(has("cluster_distrusted_total{store=\"a\",why=\"older\"} " + std::to_string(figures.counts.older) + "\n"));
  CHECK(has("# TYPE kvstrata_cluster_waiting_erasures gauge\n"));
  CHECK(has("cluster_waiting_erasures{store=\"a\"} 2003\n"));
}

TEST_CASE("several clusters' figures are series of one metric")
{
  redis::cluster_figures one, two;
  one.counts.gets = 5;
  two.counts.gets = 7;
  const std::vector<labelled<redis::cluster_figures>> both{{{{"store", "a"}}, one}, {{{"store", "b"}}, two}};
  std::ostringstream text;
  prometheus_writer to(text);
  write_prometheus(to, both);
  to.finish();
  const std::string all = text.str();
  INFO(all);
  CHECK(all.find("cluster_calls_total{store=\"a\",call=\"get\"} 5\n") != std::string::npos);
  CHECK(all.find("cluster_calls_total{store=\"b\",call=\"get\"} 7\n") != std::string::npos);
  CHECK(all.find("# TYPE kvstrata_cluster_calls_total counter") ==
        all.rfind("# TYPE kvstrata_cluster_calls_total counter"));
}
