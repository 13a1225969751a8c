// Bytes of erased users are overwritten with zeros, where a configuration wants that, before anybody else gets the memory.
#pragma once

#include <kvstrata/core/levels.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/layout/copy_run.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// On a stream of its own ("erase"), behind all that still uses the bytes; whoever takes the frames waits for it, as for any
/// other use. Does not block, but where there is no memory to remember what to wait for. Not synchronised. Where it is not
/// wanted there is no stream and no memory.
template <class Residency>
class eraser
{
 public:
  using entry_type = typename Residency::entry_type;
  using device_type = typename Residency::device_type;
  static constexpr level_index memories = Residency::memories;

  eraser(Residency& r, bool is_wanted) : residency_(&r)
  {
    if (is_wanted) mine_ = std::make_unique<means>(r.device());
  }
  eraser(const eraser&) = delete;
  eraser& operator=(const eraser&) = delete;
  ~eraser()
  {
    if (mine_ != nullptr) drain_stream_sync(residency_->device(), mine_->stream);
  }

  [[nodiscard]] bool is_wanted() const noexcept { return mine_ != nullptr; }
  /// What the device has refused to overwrite, so far.
  [[nodiscard]] std::uint64_t refused_bytes() const noexcept { return refused_; }

  /// Queues zeros over all frames that an entry has in all levels, room to grow included. The entry's uses end with that: it
  /// is erased next. What the device refuses twice in a row is given back as it is, and counted.
  void overwrite(entry_type& e) noexcept
  {
    if (mine_ == nullptr) return;
    if (!e.is_hot()) detail::insist([&] { residency_->hot().heat(e); });
    each_level<0, memories>([&](auto i) {
      if (i() == 0 && !e.is_hot()) return;
      const auto& extents = e.template at<i()>().extents;
      if (extents.empty()) return;
      device_type& d = residency_->device();
      const auto all = residency_->template level<i()>().memory().all_ends();
      const bool done = !detail::insist([&] {
        if (e.is_hot()) wait_for(d, mine_->stream, e.hot().last_use[i()]);
        const copy_direction way = i() == 0 ? copy_direction::to_device : copy_direction::on_host;
        auto& memory = residency_->template level<i()>().memory();
        const std::uint32_t layers = residency_->shape().layers;
        for (const placed_extent& x : extents) {
          mine_->add(d, way, all(x), x.pages, layers, memory.bytes() / layers);
          if constexpr (Residency::template level_at<i()>::has_codes) {
            for (page_count p = x.first_page; p < x.end(); ++p) {
              std::byte* const raw = memory.end_of(x, p).elsewhere;
              const std::size_t piece = memory.codes().raw_bytes() / layers;
              if (raw != nullptr) mine_->add(d, way, {raw, {piece, 0}}, 1, layers, piece);
            }
          }
        }
        mine_->flush(d, way);
      });
      if (!done)
        refused_ += std::uint64_t{extents.covered().size()} * residency_->template level<i()>().memory().bytes();
      const auto over = last_point(d, mine_->stream);
      if (!over) return;  // a failed device runs nothing any more
      if (e.is_hot()) remember(d, e.hot().last_use[i()], *over);
      else detail::insist([&] { d.wait_sync(*over); });  // nothing was under way, and there was no memory for more
    });
  }

 private:
  /// Zeros, and room for copies of them.
  struct means
  {
    explicit means(device_type& d) : stream(d.create_stream("erase")), zeros(d.allocate_pinned(zero_bytes, "zeros"))
    {
      if (has_data(d)) std::memset(zeros.data(), 0, zero_bytes);
      pieces.reserve(most_pieces);
    }

    /// Simulators' devices have addresses without memory.
    [[nodiscard]] static bool has_data([[maybe_unused]] const device_type& d) noexcept
    {
      if constexpr (requires { device_type::has_data; }) return device_type::has_data;
      else if constexpr (requires { d.config().data; }) return d.config().data;
      else return true;
    }

    /// Of pages from `end` on, in all layers, so many bytes in each. What is dense is written in large pieces.
    void add(device_type& d, copy_direction direction, const copy_end& end, page_count pages, std::uint32_t layers,
             std::size_t piece_bytes)
    {
      const bool dense = end.where.page_stride == piece_bytes;
      for (layer_index layer = 0; layer < layers; ++layer) {
        for (page_count page = 0; page < pages; page = dense ? pages : page + 1) {
          std::byte* at = end.page(layer, page);
          for (std::size_t left = dense ? pages * piece_bytes : piece_bytes; left != 0;) {
            const std::size_t bytes = (std::min)(left, zero_bytes);
            if (pieces.size() == most_pieces) flush(d, direction);
            pieces.push_back({.dst = at, .src = zeros.data(), .bytes = bytes});
            at += bytes;
            left -= bytes;
          }
        }
      }
    }

    /// Whatever of them is refused, none is left for later.
    void flush(device_type& d, copy_direction direction)
    {
      struct emptied
      {
        std::vector<copy_piece>& list;
        ~emptied() { list.clear(); }
      } const at_end{pieces};
      if (pieces.empty()) return;
      if constexpr (batches_copies<device_type>) {
        d.copy_batch(stream, direction, std::span<const copy_piece>(pieces));
      } else {
        for (const copy_piece& p : pieces) d.copy(stream, direction, p.dst, p.src, p.bytes);
      }
    }

    static constexpr std::size_t zero_bytes = std::size_t{256} << 10U;
    static constexpr std::size_t most_pieces = 1024;

    stream_id stream;
    typename device_type::memory zeros;
    std::vector<copy_piece> pieces;
  };

  Residency* residency_;
  std::unique_ptr<means> mine_;
  std::uint64_t refused_ = 0;
};

}  // namespace kvstrata
