// Encoded pages on their way between a slab and a memory below it, on any device.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/layout/copy_run.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace kvstrata_test {

/// Pages on every second page of a slab; page i in frame frames[i] below, where codes have 48 bytes behind them. One page in five
/// has no code.
template <class Device>
class codes_bed
{
 public:
  static constexpr std::uint32_t layers = 2;

  codes_bed(Device& d, std::vector<kvstrata::page_count> frames, const kvstrata::piece_shape& shape)
      : device_(d),
        shape_(shape),
        coder_(kvstrata::codec::exp4::coder(shape, {})),
        frames_(std::move(frames)),
        below_(*std::max_element(frames_.begin(), frames_.end()) + 1),
        slab_(d.allocate_device(2 * frames_.size() * layers * raw_bytes(), "slab")),
        arena_(d.allocate_pinned(below_ * layers * stored(), "arena")),
        raw_(d.allocate_pinned(frames_.size() * layers * raw_bytes(), "raw frames")),
        host_(d.allocate_pinned(2 * frames_.size() * layers * raw_bytes(), "host")),
        stream_(d.create_stream("setting up"))
  {
    using coder_type = kvstrata::coder_of<kvstrata::codec::exp4>;
    if constexpr (requires { typename Device::template code_of<coder_type>; }) {
      code_ = std::make_shared<typename Device::template code_of<coder_type>>(shape_, coder_);
    } else {
      code_ = std::make_shared<kvstrata::page_code_of<coder_type>>(shape_, coder_);
    }
    for (kvstrata::copy_list* list : {&up_, &down_}) {
      list->piece_bytes = raw_bytes();
      list->layers = layers;
    }
    for (kvstrata::page_count i = 0; i < frames_.size(); ++i) {
      const kvstrata::placement above{.layer_stride = 2 * frames_.size() * raw_bytes(), .page_stride = raw_bytes()};
      const kvstrata::placement there{.layer_stride = below_ * stored(), .page_stride = stored()};
      const kvstrata::copy_end page{slab_.data() + std::size_t{2} * i * raw_bytes(), above};
      const kvstrata::copy_end frame{arena_.data() + frames_[i] * stored(), there};
      std::byte* const kept = raw_.data() + std::size_t{i} * layers * raw_bytes();
      down_.coded.push_back({.from = page, .to = frame, .how = {nullptr, code_.get()}, .to_elsewhere = kept});
      up_.coded.push_back({.from = frame, .to = page, .how = {code_.get(), nullptr}, .from_elsewhere = kept});
    }
  }

  [[nodiscard]] std::size_t code_bytes() const { return coder_.code_bytes(); }
  [[nodiscard]] std::size_t stored() const { return coder_.code_bytes() + 48; }
  [[nodiscard]] std::size_t raw_bytes() const { return shape_.bytes(); }

  struct both_ways
  {
    kvstrata::copied down, up;  ///< calls and pieces of all layers
  };

  /// Pages go down by Codes and come up again: they are what they were, and below nothing else was touched.
  template <class Codes>
  both_ways round_trip()
  {
    std::mt19937 draw(1);
    for (std::size_t at = 0; at < host_.size(); at += 2) {
      const bool noise = at / raw_bytes() / 2 % 5 == 2;
      const auto value = static_cast<std::uint16_t>(noise ? draw() : 0x3E00U | (draw() & 0x80FFU));
      std::memcpy(host_.data() + at, &value, 2);
    }
    const std::vector<std::byte> before(host_.data(), host_.data() + host_.size());
    copy_slab(kvstrata::copy_direction::to_device);
    constexpr std::byte nobodys{0xB7};
    std::memset(arena_.data(), std::to_integer<int>(nobodys), arena_.size());
    both_ways out;
    out.down = pass<Codes>(kvstrata::copy_direction::from_device, down_);
    for (kvstrata::page_count frame = 0; frame < below_; ++frame) {
      if (std::find(frames_.begin(), frames_.end(), frame) != frames_.end()) continue;
      for (std::size_t l = 0; l < layers; ++l) {
        const std::byte* const at = arena_.data() + (l * below_ + frame) * stored();
        if (std::count(at, at + stored(), nobodys) != static_cast<std::ptrdiff_t>(stored())) FAIL("frame " << frame);
      }
    }
    std::memset(host_.data(), 0, host_.size());
    copy_slab(kvstrata::copy_direction::to_device);
    out.up = pass<Codes>(kvstrata::copy_direction::to_device, up_);
    copy_slab(kvstrata::copy_direction::from_device);
    for (std::size_t page = 0; page < host_.size() / raw_bytes(); page += 2) {
      const std::size_t at = page * raw_bytes();
      if (std::memcmp(host_.data() + at, before.data() + at, raw_bytes()) != 0) FAIL("page " << page / 2);
    }
    return out;
  }

 private:
  void copy_slab(kvstrata::copy_direction way)
  {
    const bool up = way == kvstrata::copy_direction::to_device;
    device_.copy(stream_, way, up ? slab_.data() : host_.data(), up ? host_.data() : slab_.data(), host_.size());
    device_.wait_sync(device_.record(stream_));
  }

  template <class Codes>
  kvstrata::copied pass(kvstrata::copy_direction way, const kvstrata::copy_list& list)
  {
    typename Codes::template on<Device> codes(device_, way);
    kvstrata::copied out;
    for (kvstrata::layer_index l = 0; l < layers; ++l) {
      const kvstrata::stream_id over = codes.copy(list, l, {}, out);
      device_.wait_sync(device_.record(over));
    }
    return out;
  }

  Device& device_;
  kvstrata::piece_shape shape_;
  kvstrata::coder_of<kvstrata::codec::exp4> coder_;
  std::vector<kvstrata::page_count> frames_;
  std::size_t below_;  // frames
  typename Device::memory slab_, arena_, raw_, host_;
  kvstrata::stream_id stream_;
  std::shared_ptr<const kvstrata::page_code> code_;
  kvstrata::copy_list up_, down_;
};

}  // namespace kvstrata_test
