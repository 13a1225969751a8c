// What copies cost a computation, a host and a start: the measuring, on emulated devices whose figures give the answer.
#include "../bench/cuda/control.hpp"
#include "../bench/cuda/interference.hpp"
#include "../bench/cuda/plain_copies.hpp"
#include "../bench/cuda/startup.hpp"
#include "../bench/cuda/support/emulated_machine.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace bench;
using namespace kvstrata;

constexpr std::size_t batch_bytes = 1 << 20;
constexpr double speed = 10e9;
constexpr double batch_seconds = batch_bytes / speed;

emulated_machine_config one_link()
{
  emulated_machine_config c;
  c.device.to_device = {speed, 0, 0};
  c.device.from_device = {speed, 0, 0};
  c.device.copy_kernels = {};
  c.product_seconds = batch_seconds;
  return c;
}

/// A machine, memory, and one large copy as the batch that travels.
struct bed
{
  emulated_machine m{one_link()};
  emulated_device::memory above = m.device().allocate_device(2 * batch_bytes, "above");
  emulated_device::memory below = m.device().allocate_pinned(2 * batch_bytes, "below");

  std::function<event(const fence&)> transfer()
  {
    return [this](const fence& after) {
      const stream_id s = m.stream("transfer");
      wait_for(m.device(), s, after);
      m.device().copy(s, copy_direction::to_device, above.data(), below.data(), batch_bytes);
      return m.device().record(s);
    };
  }
  computation products(unsigned steps)
  {
    return {"products", [this](stream_id s) { m.product(s); }, steps};
  }
};

}  // namespace

TEST_CASE("a computation that shares nothing with the copies is not slowed down, and they travel at their speed",
          "[bench]")
{
  bed b;
  const beside alone = run_beside(b.m, b.products(20), 4, batch_bytes, {});
  CHECK(alone.seconds == Approx(20 * batch_seconds));
  CHECK(alone.worst == Approx(1));
  CHECK(alone.rate == 0);
  const beside with = run_beside(b.m, b.products(20), 4, batch_bytes, b.transfer());
  CHECK(with.seconds == Approx(20 * batch_seconds));
  CHECK(with.worst == Approx(1));
  CHECK(with.rate == Approx(speed));
  CHECK(rate_alone(b.m, batch_bytes, 5, b.transfer()) == Approx(speed));
}

TEST_CASE("a computation that needs the link of the copies takes twice as long, and they go at half their speed",
          "[bench]")
{
  bed b;
  const computation uses_link{"copies",
                              [&b](stream_id s) {
                                b.m.device().copy(s, copy_direction::to_device, b.above.data() + batch_bytes,
                                                  b.below.data() + batch_bytes, batch_bytes);
                              },
                              40};
  CHECK(run_beside(b.m, uses_link, 4, batch_bytes, {}).seconds == Approx(40 * batch_seconds));
  const beside with = run_beside(b.m, uses_link, 4, batch_bytes, b.transfer());
  CHECK(with.seconds == Approx(80 * batch_seconds).epsilon(0.1));
  CHECK(with.rate == Approx(speed / 2).epsilon(0.1));
}

TEST_CASE("the worst chunk is told", "[bench]")
{
  bed b;
  unsigned step = 0;
  const computation uneven{
      "uneven",
      [&](stream_id s) { b.m.device().launch(s, {.label = "step", .seconds = step++ == 5 ? 5e-3 : 1e-3}, [] {}); }, 8};
  const beside one = run_beside(b.m, uneven, 4, batch_bytes, {});  // chunks of 2, 2, 6 and 2 ms
  CHECK(one.seconds == Approx(12e-3));
  CHECK(one.worst == Approx(2));
}

TEST_CASE("where no two batches arrive meanwhile, there is no rate", "[bench]")
{
  bed b;
  CHECK(run_beside(b.m, b.products(1), 1, batch_bytes, b.transfer()).rate == 0);
}

TEST_CASE("interference tells of every engine, computation and direction", "[bench]")
{
  emulated_machine m(one_link());
  report out;
  interference(m,
               {.shape = {.layers = 2, .kv_heads = 1, .head_dim = 16},
                .batch = {2, 100},
                .copied_bytes = 1 << 12,
                .ceiling_bytes = 1 << 12,
                .seconds = 20 * batch_seconds,
                .chunks = 4,
                .most_steps = 12,
                .plan = {.warm_ups = 0, .rounds = 1, .most = 1, .seconds = 0}},
               out);
  REQUIRE(out.tables.size() == 1 + 4);
  std::set<std::string> seen;
  for (const record& r : out.records) {
    std::string key;
    for (const auto& [name, value] : r.fields) {
      if (name == "computation" || name == "travel" || name == "engine") key += std::get<std::string>(value) + "; ";
      if (name == "time_over_time_alone" && key.starts_with("products"))
        CHECK(std::get<spread>(value).median == Approx(1));
    }
    if (!key.empty()) CHECK(seen.insert(key).second);
  }
  CHECK(seen.size() == 2 * (14 + 12));
  CHECK(out.tables[1].title == "Beside products: onload");
  CHECK(out.tables[1].rows.front()[1] == "0.0 %");
  CHECK(out.tables[1].foot.find("12 steps in 4 chunks") != std::string::npos);
}

TEST_CASE("host times are told of every call and every engine", "[bench]")
{
  emulated_machine m;
  report out;
  control(m,
          {.shape = {.layers = 2, .kv_heads = 1, .head_dim = 16},
           .batches = {{2, 96}},
           .pieces = {1, 3},
           .calls = 5,
           .plan = {.warm_ups = 0, .rounds = 1, .most = 1, .seconds = 0}},
          out);
  REQUIRE(out.tables.size() == 2);
  CHECK(out.tables[0].rows.size() == 4 + 2 * 2);
  CHECK(out.tables[1].rows.size() == 2 * 8);
  for (const record& r : out.records) {
    std::string name;
    for (const auto& [key, value] : r.fields) {
      if (key == "call") name = std::get<std::string>(value);
      if (key == "host_us") CHECK(std::get<spread>(value).low >= 0);
      if (key == "calls" && name == "paged, page first, batched") CHECK(std::get<double>(value) == 2);
      if (key == "pieces" && name == "paged, page first, per_page") CHECK(std::get<double>(value) == 2 * 2 * 3);
    }
  }
}

TEST_CASE("a start is told by its steps, and what is too large is left out", "[bench]")
{
  std::vector<std::string> asked;
  unsigned run = 0;
  report out;
  startup(
      {.mib = {1, 64, 1000},
       .threads = {2, 8},
       .available_bytes = std::size_t{200} << 20,
       .large_mib = 64,
       .plan = {.warm_ups = 1, .rounds = 3, .most = 3, .seconds = 0}},
      [&](const pin_request& wanted) {
        asked.push_back(std::to_string(wanted.bytes >> 20) + "/" + std::to_string(wanted.threads) +
                        (wanted.huge_pages ? "/huge" : ""));
        const double slow = ++run % 4;  // 1, then 2, 3, 0: the first is the warm-up
        return pin_steps{.seconds = 0.5 + slow, .map = 0.1, .touch = slow, .lock = 0.4, .huge_share = 0.25, .note = {}};
      },
      [](std::size_t bytes) { return static_cast<double>(bytes >> 20); }, out);
  CHECK(asked.size() == 4 * 4 + 2);  // the large size once, with the most threads
  CHECK(asked[0] == "1/2");
  CHECK(asked[4] == "1/2/huge");
  CHECK(asked[16] == "64/8");
  REQUIRE(out.tables.size() == 1);
  const table& t = out.tables[0];
  REQUIRE(t.rows.size() == 1 + 4 + 1 + 2);
  CHECK(t.rows[0] == std::vector<std::string>{"1", "cudaHostAlloc", "1.000", "1.000", "1.000", "0.00", "0.000", "0.000",
                                              "0.000", "-"});
  CHECK(t.rows[1] == std::vector<std::string>{"1", "2 threads", "2.500", "0.500", "3.500", "0.00", "0.100", "2.000",
                                              "0.400", "25 %"});
  CHECK(t.rows[5][1] == "cudaHostAlloc");
  CHECK(t.rows[7][1] == "8 threads, huge pages");
  CHECK(t.foot == "Left out, because it is more than 60 % of the host memory that was free (200 MiB): MiB 1000.");
}

TEST_CASE("plain copies are told by their size: what a call costs, and what the link gives", "[bench]")
{
  constexpr double latency = 5e-6;
  emulated_machine_config c = one_link();
  c.device.to_device = {speed, latency, 0};
  c.device.from_device = {speed / 2, latency, 0};
  c.device.copy_kernels = emulated_machine_config().device.copy_kernels;
  emulated_machine m(c);
  report out;
  copies_by_size(m, {.piece_bytes = {1 << 12, 1 << 20}, .plan = {.warm_ups = 0, .rounds = 1, .most = 1, .seconds = 0}},
                 out);
  REQUIRE(out.tables.size() == 2);
  REQUIRE(out.tables[0].rows.size() == 2);
  CHECK(out.tables[0].rows[0][0] == "4");
  CHECK(out.tables[0].rows[0][1] == text("%.1f", 1e6 * (latency + 4096 / speed)));
  const auto rate = [&](std::size_t row, std::string_view name) {
    for (const auto& [key, value] : out.records.at(row).fields) {
      if (key == name) return std::get<spread>(value).median;
    }
    return 0.0;
  };
  for (const std::size_t row : {std::size_t{0}, std::size_t{1}}) {
    const double bytes = row == 0 ? 1 << 12 : 1 << 20;
    CHECK(rate(row, "up_bytes_per_second") == Approx(bytes / (latency + bytes / speed)));
    CHECK(rate(row, "down_bytes_per_second") == Approx(bytes / (latency + 2 * bytes / speed)));
    CHECK(rate(row, "both_bytes_per_second") == Approx(2 * bytes / (latency + 2 * bytes / speed)));
    CHECK(rate(row, "within_bytes_per_second") > 0);
  }
  CHECK(out.tables[1].title.starts_with("Ceilings"));  // of the largest pieces
  CHECK(out.tables[1].rows[0][1] == text("%.1f", rate(1, "up_bytes_per_second") / 1e9));
}
