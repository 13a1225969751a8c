// Our copy kernel against what else moves scattered pages: cub::DeviceMemcpy::Batched, and the runtime's own copy of
// each page. Pages lie side by side on one end and scattered on the other (a gather), and all rates are shares of the
// runtime's copy of the same bytes in one piece, measured in turn with what is held against it.
//
// "as called" counts from the first call on an idle GPU; "on the GPU" begins behind other work, so that what the host
// needs is hidden as long as it is faster than the GPU. CUB finds its lists in device memory: that they must be brought
// there is not counted, and its temporary memory is there, too. Our lists travel with each launch.
//
// The second table is kernel_copy's case: out of pinned memory and into it, by budgets of multiprocessors.
#pragma once

#include "cub_copies.hpp"
#include "support/machine.hpp"
#include "support/report.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

struct copy_kernel_config
{
  std::vector<std::size_t> page_bytes{4 << 10, 16 << 10, 64 << 10, 256 << 10, 2 << 20};
  std::vector<std::size_t> total_bytes{2 << 20, 256 << 20};
  std::vector<unsigned> sms{1, 2, 4, 8, 16, 32, 0};
  std::size_t pinned_page_bytes = 64 << 10;
  unsigned products_before = 8;         ///< work of the GPU that hides the host
  std::size_t most_plain_calls = 1024;  ///< one copy a page: not for more pages
  sampling_plan plan{.warm_ups = 2, .rounds = 9, .most = 101, .seconds = 0.1};
};

/// Device memory and pinned memory of one size, and lists of scattered pages in them.
template <machine Machine>
class scattered_pages
{
 public:
  using device_type = typename Machine::device_type;

  scattered_pages(Machine& m, std::size_t bytes)
      : machine_(&m),
        from_(m.device().allocate_device(bytes, "pages")),
        to_(m.device().allocate_device(bytes, "gathered pages")),
        pinned_(m.device().allocate_pinned(bytes, "pages")),
        bytes_(bytes)
  {
    std::mt19937_64 random(1);
    for (std::size_t i = 0; i + sizeof(std::uint64_t) <= bytes; i += sizeof(std::uint64_t)) {
      const std::uint64_t word = random();
      std::memcpy(pinned_.data() + i, &word, sizeof word);
    }
    m.device().copy(m.stream("pages"), kvstrata::copy_direction::to_device, from_.data(), pinned_.data(), bytes);
    m.device().wait_sync(m.device().record(m.stream("pages")));
    noise_.assign(pinned_.data(), pinned_.data() + bytes);
  }

  [[nodiscard]] std::vector<kvstrata::copy_piece> gather(std::size_t page, std::size_t total) const
  {
    return pieces(to_.data(), from_.data(), page, total);
  }
  [[nodiscard]] std::vector<kvstrata::copy_piece> up(std::size_t page) const
  {
    return pieces(to_.data(), pinned_.data(), page, bytes_);
  }
  [[nodiscard]] std::vector<kvstrata::copy_piece> down(std::size_t page) const
  {
    return pieces(pinned_.data(), from_.data(), page, bytes_);
  }

  /// Throws std::logic_error when `list` did not move what it says: a copy of the wrong bytes would be fast. Blocks.
  void require_moved(const std::vector<kvstrata::copy_piece>& list, const std::string& who)
  {
    auto& d = machine_->device();
    d.copy(machine_->stream("pages"), kvstrata::copy_direction::from_device, pinned_.data(), to_.data(), bytes_);
    d.wait_sync(d.record(machine_->stream("pages")));
    for (const kvstrata::copy_piece& p : list) {
      if (std::memcmp(pinned_.data() + (p.dst - to_.data()), noise_.data() + (p.src - from_.data()), p.bytes) != 0) {
        throw std::logic_error(who + " moved the wrong bytes");
      }
    }
  }
  /// So that what was moved before does not pass for what is moved next. Blocks.
  void clear()
  {
    std::fill(pinned_.data(), pinned_.data() + bytes_, std::byte{0});
    auto& d = machine_->device();
    d.copy(machine_->stream("pages"), kvstrata::copy_direction::to_device, to_.data(), pinned_.data(), bytes_);
    d.wait_sync(d.record(machine_->stream("pages")));
  }

  [[nodiscard]] std::byte* to() noexcept { return to_.data(); }
  [[nodiscard]] const std::byte* from() const noexcept { return from_.data(); }
  [[nodiscard]] std::byte* pinned() noexcept { return pinned_.data(); }

 private:
  [[nodiscard]] std::vector<kvstrata::copy_piece> pieces(std::byte* to, const std::byte* from, std::size_t page,
                                                         std::size_t total) const
  {
    std::vector<std::size_t> all(bytes_ / page);
    std::iota(all.begin(), all.end(), std::size_t{0});
    std::shuffle(all.begin(), all.end(), std::mt19937(7));
    std::vector<kvstrata::copy_piece> out;
    for (std::size_t i = 0; i < total / page; ++i) out.push_back({to + i * page, from + all[i] * page, page});
    return out;
  }

  Machine* machine_;
  typename device_type::memory from_, to_, pinned_;
  std::size_t bytes_;
  std::vector<std::byte> noise_;
};

/// Measures everything and tells it.
template <machine Machine>
void copy_kernels(Machine& m, const copy_kernel_config& c, report& out)
{
  using namespace kvstrata;
  auto& d = m.device();
  const stream_id stream = m.stream("copies");
  const std::size_t most = *std::max_element(c.total_bytes.begin(), c.total_bytes.end());
  scattered_pages<Machine> pages(m, most);
  using work = std::function<void()>;

  const auto as_called = [&](const work& queue) {
    return seconds_of_work(m, [&](const fence& after) {
      wait_for(d, stream, after);
      queue();
      return fence(d.record(stream));
    });
  };
  const auto on_gpu = [&](const work& queue) {
    m.forget_marks();
    for (unsigned i = 0; i < c.products_before; ++i) m.product(stream);
    const time_mark begin = m.mark(stream);
    queue();
    return m.seconds(begin, m.mark(stream));
  };
  const auto budget_name = [](unsigned sms) { return sms == 0 ? std::string("all") : std::to_string(sms); };

  table moved{.title = "Gathering pages within device memory",
              .columns = {"pages", "in all", "by", "GB/s as called", "GB/s on the GPU", "share of one plain copy"},
              .rows = {},
              .foot = "GB/s of bytes moved: as many are read as are written. The share is of \"on the GPU\".",
              .left = 3};
  for (const std::size_t total : c.total_bytes) {
    for (const std::size_t page : c.page_bytes) {
      if (page > total) continue;
      const std::vector<copy_piece> list = pages.gather(page, total);
      const work plain = [&] { m.copy_on_device(stream, pages.to(), pages.from(), total); };
      const auto line = [&](const std::string& who, bool gathers, const work& queue) {
        if (gathers) {
          pages.clear();
          queue();
          d.wait_sync(d.record(stream));
          pages.require_moved(list, who);
        }
        const auto bytes = static_cast<double>(total);
        const spread called = rate_of(bytes, sample(c.plan, [&] { return as_called(queue); }));
        const paired_seconds gpu = sample_pairs(c.plan, [&] { return on_gpu(queue); }, [&] { return on_gpu(plain); });
        moved.rows.push_back({text("%zu KiB", page >> 10), text("%zu KiB", total >> 10), who,
                              text_of(scaled(called, 1e-9), 1), text_of(scaled(rate_of(bytes, gpu.subject), 1e-9), 1),
                              text_of(gpu.ratio, 3)});
        out.records.emplace_back().add("kind", "gather").add("by", who);
        out.records.back().add("page_bytes", double(page)).add("total_bytes", bytes);
        out.records.back().add("called_bytes_per_second", called);
        out.records.back().add("gpu_bytes_per_second", rate_of(bytes, gpu.subject)).add("share", gpu.ratio);
      };
      for (const unsigned sms : {0U, 8U}) {
        line("copy kernel, multiprocessors: " + budget_name(sms), true,
             [&, sms] { queue_copy_kernel(m, stream, list, {.label = "copy", .sms = sms}); });
      }
      if (cub_copies cub(m, list); cub.available())
        line("cub::DeviceMemcpy::Batched", true, [&] { cub.queue(stream); });
      if (list.size() <= c.most_plain_calls) {
        line("one copy a page", true, [&] {
          for (const copy_piece& p : list) m.copy_on_device(stream, p.dst, p.src, p.bytes);
        });
      }
      line("one plain copy", false, plain);
    }
  }
  out.add(std::move(moved));

  for (const bool inwards : {true, false}) {
    const copy_direction direction = inwards ? copy_direction::to_device : copy_direction::from_device;
    const std::vector<copy_piece> list = inwards ? pages.up(c.pinned_page_bytes) : pages.down(c.pinned_page_bytes);
    table direct{.title = std::string(inwards ? "Out of" : "Into") + " pinned memory, pages of " +
                          std::to_string(c.pinned_page_bytes >> 10) + " KiB",
                 .columns = {"multiprocessors", "GB/s", "share of one plain copy"},
                 .rows = {},
                 .foot = {},
                 .left = 1};
    for (const unsigned sms : c.sms) {
      const paired_seconds s = sample_pairs(
          c.plan,
          [&] {
            return on_gpu([&] {
              queue_copy_kernel(
                  m, stream, list,
                  {.label = "copy", .route = inwards ? copy_route::to_device : copy_route::from_device, .sms = sms});
            });
          },
          [&] {
            return on_gpu([&] {
              d.copy(stream, direction, inwards ? pages.to() : pages.pinned(), inwards ? pages.pinned() : pages.from(),
                     most);
            });
          });
      const spread rate = rate_of(static_cast<double>(most), s.subject);
      direct.rows.push_back({budget_name(sms), text_of(scaled(rate, 1e-9), 1), text_of(s.ratio, 3)});
      out.records.emplace_back().add("kind", inwards ? "out of pinned memory" : "into pinned memory");
      out.records.back().add("sms", double(sms)).add("bytes_per_second", rate).add("share", s.ratio);
    }
    out.add(std::move(direct));
  }
}

}  // namespace bench
