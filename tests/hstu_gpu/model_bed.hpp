// A machine with a model on it, pages in its device memory, and how far its answers are from others. What follows is
// the same for an emulated device and a GPU: memory of the device is read and written by copies.
//
//   struct my_machine {              // makes no assumption about what it runs on
//     using runner = ...;
//     runner& machine();
//     static constexpr bool bitwise; // is a row's result the same to the last bit, whatever else is in its pass?
//   };
#pragma once

#include "hstu/fixture.hpp"
#include "hstu/reference.hpp"

#include "hstu/gpu/recompute.hpp"

#include <kvstrata/device/concepts.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <vector>

namespace hstu_gpu_test {

using hstu::gpu::bf16;
using hstu_test::below;
using hstu_test::generator;
using hstu_test::user;

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

/// The weights as the device has them: matrices and tables in bf16.
inline hstu::weights rounded_weights(const hstu::config& c)
{
  hstu::weights w = hstu::random_weights(c);
  for (std::vector<float>* part : {&w.items, &w.actions, &w.positions, &w.head_in, &w.head_out}) *part = rounded(*part);
  for (hstu::layer_weights& l : w.layers) {
    l.project = rounded(l.project);
    l.output = rounded(l.output);
  }
  return w;
}

inline hstu::config small_config()
{
  hstu::config c;
  c.layers = 3;
  c.hidden = 64;
  c.heads = 2;
  c.head_dim = 64;
  c.items = 500;
  c.tasks = 3;
  c.max_tokens = 600;
  c.normaliser = 128;
  c.position_buckets = 48;
  c.time_buckets = 40;
  return c;
}

template <class Machine>
class model_bed
{
 public:
  using runner = typename Machine::runner;
  using device_type = typename runner::device_type;

  explicit model_bed(const hstu::config& c, hstu::gpu::lane_config how = {})
      : stream(device().create_stream("compute")),
        model(machine.machine(), c, stream),
        lane(model, stream, how),
        scratch(lane)
  {
  }

  [[nodiscard]] device_type& device() { return machine.machine().device(); }

  /// Queues all steps.
  [[nodiscard]] hstu::gpu::pass<runner> queue(std::span<const hstu::request> batch,
                                              const kvstrata::page_table_view& view,
                                              hstu::fronts how = hstu::fronts::together)
  {
    hstu::gpu::pass<runner> pass(lane, batch, view, how);
    pass.embed();
    for (kvstrata::layer_index l = 0; l < model.options().layers; ++l) {
      if (how == hstu::fronts::apart) pass.front(l);
      pass.layer(l);
    }
    pass.head();
    return pass;
  }

  [[nodiscard]] std::vector<float> run(std::span<const hstu::request> batch, const kvstrata::page_table_view& view,
                                       hstu::fronts how = hstu::fronts::together)
  {
    const auto pass = queue(batch, view, how);
    const std::span<const float> scores = pass.scores_sync();
    return {scores.begin(), scores.end()};
  }

  [[nodiscard]] std::vector<float> recompute(std::span<const hstu::request> batch)
  {
    const auto pass = hstu::gpu::recompute(lane, batch, scratch);
    const std::span<const float> scores = pass.scores_sync();
    return {scores.begin(), scores.end()};
  }

  Machine machine;
  kvstrata::stream_id stream;
  hstu::gpu::model<runner> model;
  hstu::gpu::lane<runner> lane;
  hstu::gpu::scratch_pages<runner> scratch;
};

/// Pages of a batch in device memory, under shuffled ids with unused pages between. They start out as NaN, so that
/// reading what nobody wrote shows.
template <class Device>
class device_pages
{
 public:
  device_pages(generator& random, Device& d, kvstrata::stream_id stream, const kvstrata::geometry& shape,
               kvstrata::token_count page_tokens, const std::vector<kvstrata::token_count>& lengths)
      : device_(d),
        stream_(stream),
        shape_(shape),
        page_tokens_(page_tokens),
        slab_pages_(count_pages(page_tokens, lengths)),
        memory_(d.allocate_device(bytes(), "pages of a test"))
  {
    std::vector<std::uint32_t> ids(slab_pages_);
    std::iota(ids.begin(), ids.end(), 0u);
    for (std::size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[random() % i]);
    indptr_.push_back(0);
    for (const kvstrata::token_count length : lengths) {
      const std::uint32_t mine = (length + page_tokens - 1) / page_tokens;
      for (std::uint32_t i = 0; i < mine; ++i) ids_.push_back(kvstrata::to_page(ids[ids_.size()]));
      indptr_.push_back(static_cast<std::int32_t>(ids_.size()));
      last_page_len_.push_back(mine == 0 ? 0 : static_cast<std::int32_t>(length - (mine - 1) * page_tokens));
    }
    write(std::vector<std::byte>(bytes(), std::byte{0xFF}));
  }

  [[nodiscard]] kvstrata::page_table_view view() const
  {
    kvstrata::page_table_view out;
    out.page_ids = ids_;
    out.indptr = indptr_;
    out.last_page_len = last_page_len_;
    out.base = memory_.data();
    out.where = {slab_pages_ * page_bytes(), page_bytes()};
    out.shape = shape_;
    out.page_tokens = page_tokens_;
    return out;
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
  static std::size_t count_pages(kvstrata::token_count page_tokens, const std::vector<kvstrata::token_count>& lengths)
  {
    std::size_t count = 0;
    for (const kvstrata::token_count length : lengths) count += (length + page_tokens - 1) / page_tokens;
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
  std::vector<kvstrata::page_id> ids_;
  std::vector<std::int32_t> indptr_;
  std::vector<std::int32_t> last_page_len_;
};

inline std::vector<hstu::request> requests_of(const std::vector<user>& users)
{
  std::vector<hstu::request> out;
  for (const user& u : users) out.push_back(u.request());
  return out;
}

inline std::vector<kvstrata::token_count> lengths_of(const std::vector<user>& users)
{
  std::vector<kvstrata::token_count> out;
  for (const user& u : users) out.push_back(u.history);
  return out;
}

}  // namespace hstu_gpu_test
