// What the machine gives at best, measured in the same run as what is held against it: the runtime's own copies of one
// large piece between pinned and device memory, one way and both at once, and within device memory; a large product.
#pragma once

#include "machine.hpp"
#include "report.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

struct ceilings
{
  spread up;       ///< bytes a second, pinned to device
  spread down;     ///< device to pinned
  spread both;     ///< the bytes of both directions, at once
  spread device;   ///< bytes copied within device memory; it reads and writes as many
  spread product;  ///< FLOP a second of the library's bf16 product
};

/// Plain copies of `bytes` bytes, in one piece each, behind `after`.
template <machine Machine>
class plain_copies
{
 public:
  using memory = typename Machine::device_type::memory;

  plain_copies(Machine& m, std::byte* device_side, std::byte* host_side)
      : machine_(&m), device_side_(device_side), host_side_(host_side)
  {
  }

  [[nodiscard]] kvstrata::fence up(std::size_t bytes, const kvstrata::fence& after)
  {
    const kvstrata::stream_id stream = machine_->stream("plain up");
    kvstrata::wait_for(machine_->device(), stream, after);
    machine_->device().copy(stream, kvstrata::copy_direction::to_device, device_side_, host_side_, bytes);
    return machine_->device().record(stream);
  }
  /// Of other memory than up(bytes): both may run at once.
  [[nodiscard]] kvstrata::fence down(std::size_t bytes, const kvstrata::fence& after)
  {
    const kvstrata::stream_id stream = machine_->stream("plain down");
    kvstrata::wait_for(machine_->device(), stream, after);
    machine_->device().copy(stream, kvstrata::copy_direction::from_device, host_side_ + bytes, device_side_ + bytes,
                            bytes);
    return machine_->device().record(stream);
  }
  [[nodiscard]] kvstrata::fence both(std::size_t bytes, const kvstrata::fence& after)
  {
    kvstrata::fence done = up(bytes, after);
    done.add(down(bytes, after));
    return done;
  }
  [[nodiscard]] kvstrata::fence within(std::size_t bytes, const kvstrata::fence& after)
  {
    const kvstrata::stream_id stream = machine_->stream("plain within");
    kvstrata::wait_for(machine_->device(), stream, after);
    machine_->copy_on_device(stream, device_side_, device_side_ + bytes, bytes);
    return machine_->device().record(stream);
  }

 private:
  Machine* machine_;
  std::byte* device_side_;
  std::byte* host_side_;
};

/// All but the product, of pieces of `bytes` bytes. Blocks.
template <machine Machine>
[[nodiscard]] ceilings measure_copies(Machine& m, const sampling_plan& plan, plain_copies<Machine>& plain,
                                      std::size_t bytes)
{
  const auto size = static_cast<double>(bytes);
  const auto rate = [&](double amount, auto&& queue) {
    return rate_of(amount, sample(plan, [&] { return seconds_of_work(m, queue); }));
  };
  ceilings out;
  out.up = rate(size, [&](const kvstrata::fence& after) { return plain.up(bytes, after); });
  out.down = rate(size, [&](const kvstrata::fence& after) { return plain.down(bytes, after); });
  out.both = rate(2 * size, [&](const kvstrata::fence& after) { return plain.both(bytes, after); });
  out.device = rate(size, [&](const kvstrata::fence& after) { return plain.within(bytes, after); });
  return out;
}

/// FLOP a second. Blocks.
template <machine Machine>
[[nodiscard]] spread measure_product(Machine& m, const sampling_plan& plan)
{
  constexpr unsigned products = 20;
  const auto queue = [&m](const kvstrata::fence& after) {
    const kvstrata::stream_id stream = m.stream("products");
    kvstrata::wait_for(m.device(), stream, after);
    for (unsigned i = 0; i < products; ++i) m.product(stream);
    return kvstrata::fence(m.device().record(stream));
  };
  return rate_of(products * m.product_flops(), sample(plan, [&] { return seconds_of_work(m, queue); }));
}

/// Takes 2 * bytes of device and of pinned memory for the time being, and blocks.
template <machine Machine>
[[nodiscard]] ceilings measure_ceilings(Machine& m, const sampling_plan& plan, std::size_t bytes)
{
  const auto above = m.device().allocate_device(2 * bytes, "ceilings");
  const auto below = m.device().allocate_pinned(2 * bytes, "ceilings");
  plain_copies<Machine> plain(m, above.data(), below.data());
  ceilings out = measure_copies(m, plan, plain, bytes);
  out.product = measure_product(m, plan);
  return out;
}

/// As a table and as records of kind "ceiling".
inline void tell(report& out, const ceilings& c, std::size_t bytes)
{
  table t{.title = text("Ceilings: the runtime's own copies of one piece of %.4g MB, and the library's product",
                        static_cast<double>(bytes) / 1e6),
          .columns = {"what", "median", "low", "high", "unit"},
          .rows = {},
          .foot = {},
          .left = 1};
  const std::pair<const char*, const spread*> rates[] = {{"pinned to device", &c.up},
                                                         {"device to pinned", &c.down},
                                                         {"both at once, together", &c.both},
                                                         {"within device memory (as many bytes are read)", &c.device}};
  const auto line = [&](const char* what, const spread& rate, double unit, const char* name) {
    const spread s = scaled(rate, 1 / unit);
    t.rows.push_back({what, text("%.1f", s.median), text("%.1f", s.low), text("%.1f", s.high), name});
    out.records.push_back({});
    out.records.back().add("kind", "ceiling").add("what", what).add("unit", name).add("value", s);
  };
  for (const auto& [what, rate] : rates) line(what, *rate, 1e9, "GB/s");
  line("matrix product, bf16", c.product, 1e12, "TFLOP/s");
  out.add(std::move(t));
}

}  // namespace bench
