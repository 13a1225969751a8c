// Run where libc++ is: what of kvstrata differs there, and a cache that serves.
#include <kvstrata/core/decimal.hpp>
#include <kvstrata/kvstrata.hpp>

#include <cmath>
#include <cstdio>
#include <string_view>
#include <system_error>

namespace {

int faults = 0;

void expect(bool holds, std::string_view what)
{
  if (holds) return;
  ++faults;
  std::printf("fault: %.*s\n", static_cast<int>(what.size()), what.data());
}

/// Reads so much of the text, and that value.
void expect_decimal(std::string_view text, std::size_t length, double value)
{
  double read = -1;
  const auto [end, problem] = kvstrata::read_decimal(text.data(), text.data() + text.size(), read);
  expect(problem == std::errc() && end == text.data() + length && !(read < value) && !(read > value), text);
}

void expect_none(std::string_view text, std::errc problem)
{
  double read = -1;
  expect(kvstrata::read_decimal(text.data(), text.data() + text.size(), read).ec == problem, text);
}

}  // namespace

int main()
{
  expect_decimal("0", 1, 0);
  expect_decimal("12.5", 4, 12.5);
  expect_decimal("-3", 2, -3);
  expect_decimal(".5x", 2, 0.5);
  expect_decimal("5.", 2, 5);
  expect_decimal("1e3", 3, 1000);
  expect_decimal("1E-2,", 4, 0.01);
  expect_decimal("7e", 1, 7);
  expect_decimal("7e+", 1, 7);
  expect_decimal("1e5.5", 3, 1e5);
  expect_decimal("0x10", 1, 0);
  expect_decimal("0.1", 3, 0.1);
  for (const std::string_view none : {"", "-", "+1", " 1", ".", "-.", "e5", "x"}) {
    expect_none(none, std::errc::invalid_argument);
  }
  expect_none("1e999", std::errc::result_out_of_range);

  kvstrata::emulated_device device;
  kvstrata::default_cache<kvstrata::emulated_device> cache(
      device,
      {.shape = {.layers = 2, .kv_heads = 1, .head_dim = 8}, .tiers = {{.bytes = 1 << 20}, {.bytes = 1 << 20}}});
  const auto compute = device.create_stream("compute");
  const kvstrata::request batch[] = {{.user = kvstrata::user_id{7}, .history_tokens = 100}};
  for (int round = 0; round != 2; ++round) {
    auto lease = cache.prepare(batch, compute).value();
    expect(lease.compute(0).empty() == (round == 1), "what is computed, then cached");
    for (kvstrata::layer_index l = 0; l < 2; ++l) {
      lease.wait(l);
      lease.layer_done(l);
    }
    lease.commit();
  }
  return faults == 0 ? 0 : 1;
}
