// Pages in the memory of a device, which are read and written by copies; and how far what is in them is from others.
#pragma once

#include "hstu/gpu/bf16.hpp"

#include <kvstrata/core/interval.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/layout/page_table.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace hstu_gpu_test {

using hstu::gpu::bf16;

/// ||a - b|| / ||b||, and huge where there is a NaN or the sizes differ.
template <class A, class B>
double relative_error(const A& a, const B& b)
{
  if (a.size() != b.size()) return 1e9;
  double apart = 0;
  double size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    apart += difference * difference;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  if (a.size() == 0) return 0;
  const double error = std::sqrt(apart / size);
  return error == error ? error : 1e9;
}

inline std::vector<float> rounded(std::vector<float> values)
{
  for (float& v : values) v = hstu::gpu::to_float(hstu::gpu::to_bf16(v));
  return values;
}

/// Pages of a batch in device memory, under shuffled ids with unused pages between. They start out as NaN, so that
/// reading what nobody wrote shows.
template <class Device>
class device_pages
{
 public:
  device_pages(std::mt19937_64& random, Device& d, kvstrata::stream_id stream, const kvstrata::geometry& shape,
               kvstrata::token_count page_tokens, std::span<const kvstrata::token_interval> windows)
      : device_(d),
        stream_(stream),
        shape_(shape),
        page_tokens_(page_tokens),
        slab_pages_(count_pages(page_tokens, windows)),
        memory_(d.allocate_device(bytes(), "pages of a test"))
  {
    std::vector<kvstrata::page_id> ids(slab_pages_);
    for (std::uint32_t i = 0; i < ids.size(); ++i) ids[i] = kvstrata::to_page(i);
    for (std::size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[random() % i]);
    std::span<const kvstrata::page_id> free = ids;
    for (const kvstrata::token_interval w : windows) {
      const kvstrata::page_count mine = pages_of(w, page_tokens).size();
      table_.add(free.first(mine), w.begin, w.end, page_tokens);
      free = free.subspan(mine);
    }
    write(std::vector<std::byte>(bytes(), std::byte{0xFF}));
  }

  device_pages(std::mt19937_64& random, Device& d, kvstrata::stream_id stream, const kvstrata::geometry& shape,
               kvstrata::token_count page_tokens, const std::vector<kvstrata::token_count>& lengths)
      : device_pages(random, d, stream, shape, page_tokens, std::span<const kvstrata::token_interval>(from_0(lengths)))
  {
  }

  [[nodiscard]] kvstrata::page_table_view view() const
  {
    return table_.view(memory_.data(), {slab_pages_ * page_bytes(), page_bytes()}, shape_, page_tokens_);
  }
  /// Of one request's later window, over the same pages.
  [[nodiscard]] kvstrata::page_table_view view_from(kvstrata::page_table& table,
                                                    kvstrata::token_count first_token) const
  {
    const kvstrata::page_table_view all = view();
    const std::size_t skipped = first_token / page_tokens_ - all.first_token(0) / page_tokens_;
    table.clear();
    table.add(all.pages(0).subspan(skipped), first_token, all.tokens(0), page_tokens_);
    return table.view(all.base, all.where, shape_, page_tokens_);
  }

  [[nodiscard]] std::vector<std::byte> read()
  {
    std::vector<std::byte> out(bytes());
    device_.copy(stream_, kvstrata::copy_direction::from_device, out.data(), memory_.data(), out.size());
    device_.wait_sync(device_.record(stream_));
    return out;
  }
  void write(const std::vector<std::byte>& all)
  {
    device_.copy(stream_, kvstrata::copy_direction::to_device, memory_.data(), all.data(), all.size());
    device_.wait_sync(device_.record(stream_));
  }

  /// Where in read() a token's K, or V, lies.
  [[nodiscard]] std::size_t offset(kvstrata::layer_index layer, std::size_t request, kvstrata::token_count token,
                                   bool value) const
  {
    const kvstrata::page_table_view table = view();
    return static_cast<std::size_t>(table.key(layer, request, token) - table.base) + (value ? table.value_offset() : 0);
  }
  [[nodiscard]] std::vector<float> row(const std::vector<std::byte>& all, kvstrata::layer_index layer,
                                       std::size_t request, kvstrata::token_count token, bool value) const
  {
    std::vector<bf16> raw(shape_.key_bytes() / sizeof(bf16));
    std::memcpy(raw.data(), all.data() + offset(layer, request, token, value), shape_.key_bytes());
    std::vector<float> out;
    for (const bf16 v : raw) out.push_back(hstu::gpu::to_float(v));
    return out;
  }

 private:
  static std::vector<kvstrata::token_interval> from_0(const std::vector<kvstrata::token_count>& lengths)
  {
    std::vector<kvstrata::token_interval> out;
    for (const kvstrata::token_count length : lengths) out.push_back({0, length});
    return out;
  }
  static std::size_t count_pages(kvstrata::token_count page_tokens, std::span<const kvstrata::token_interval> windows)
  {
    std::size_t count = 0;
    for (const kvstrata::token_interval w : windows) count += pages_of(w, page_tokens).size();
    return count + count / 2 + 1;
  }
  [[nodiscard]] std::size_t page_bytes() const { return page_tokens_ * shape_.token_layer_bytes(); }
  [[nodiscard]] std::size_t bytes() const { return shape_.layers * slab_pages_ * page_bytes(); }

  Device& device_;
  kvstrata::stream_id stream_;
  kvstrata::geometry shape_;
  kvstrata::token_count page_tokens_;
  std::size_t slab_pages_;
  typename Device::memory memory_;
  kvstrata::page_table table_;
};

}  // namespace hstu_gpu_test
