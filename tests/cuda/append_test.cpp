// New K and V go into the pages of a lease where its page table says, by the kernel.
#include "cuda/append.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/cuda_device.hpp>
#include <kvstrata/layout/paged_layout.hpp>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

using namespace kvstrata;

namespace {

/// Puts values into device memory by way of pinned memory. Blocks.
struct uploader
{
  cuda_device& d;
  stream_id stream;

  template <class T>
  cuda_device::memory operator()(const std::vector<T>& values, const char* name)
  {
    const std::size_t bytes = values.size() * sizeof(T);
    const auto staged = d.allocate_pinned(bytes, name);
    std::memcpy(staged.data(), values.data(), bytes);
    auto out = d.allocate_device(bytes, name);
    d.copy(stream, copy_direction::to_device, out.data(), staged.data(), bytes);
    d.wait_sync(d.record(stream));
    return out;
  }
};

/// Appends some tokens of some requests to a layer of a slab full of a pattern; the slab must be as the host says.
void append_and_compare(unsigned seed, const geometry& shape, token_count page_tokens, std::size_t padding)
{
  std::mt19937 draw(seed);
  constexpr std::uint32_t requests = 4;
  constexpr page_count pages = 40;
  constexpr layer_index layer = 1;
  std::vector<page_id> ids(pages);
  for (page_count i = 0; i < pages; ++i) ids[i] = to_page(i);
  std::shuffle(ids.begin(), ids.end(), draw);
  const std::vector<std::int32_t> indptr{0, 9, 9, 30, 38};
  const std::vector<std::int32_t> last(requests, static_cast<std::int32_t>(page_tokens));
  std::vector<std::byte> slab(page_bytes(shape, page_tokens) * pages);
  for (std::byte& b : slab) b = static_cast<std::byte>(draw());
  const std::size_t row = shape.key_bytes();
  const std::size_t stride = 2 * row + padding;

  std::vector<std::uint32_t> owners;
  std::vector<token_count> positions;
  for (std::uint32_t r = 0; r < requests; ++r) {
    const auto tokens = static_cast<token_count>(indptr[r + 1] - indptr[r]) * page_tokens;
    for (token_count t = 0; t < tokens; ++t) {
      if (draw() % 4 == 0) continue;
      owners.push_back(r);
      positions.push_back(t);
    }
  }
  std::vector<std::byte> source(stride * owners.size());
  for (std::byte& b : source) b = static_cast<std::byte>(draw());

  cuda_device d;
  const stream_id stream = d.create_stream("append");
  uploader up{d, stream};
  const auto on_device = up(slab, "slab");
  const auto device_source = up(source, "rows");
  const auto device_ids = up(ids, "page ids");
  const auto device_indptr = up(indptr, "indptr");
  const auto device_owners = up(owners, "requests");
  const auto device_positions = up(positions, "positions");

  page_table_view view{.page_ids = ids,
                       .indptr = indptr,
                       .last_page_len = last,
                       .base = on_device.data(),
                       .where = paged_layout{.page_tokens = page_tokens}.device_place(shape, pages),
                       .shape = shape,
                       .page_tokens = page_tokens};
  const paged_layer to = layer_of(view, layer, reinterpret_cast<const page_id*>(device_ids.data()),
                                  reinterpret_cast<const std::int32_t*>(device_indptr.data()));
  const new_rows from{.keys = device_source.data(),
                      .values = device_source.data() + row,
                      .key_stride = stride,
                      .value_stride = stride,
                      .requests = reinterpret_cast<const std::uint32_t*>(device_owners.data()),
                      .positions = reinterpret_cast<const token_count*>(device_positions.data()),
                      .rows = static_cast<std::uint32_t>(owners.size())};
  d.launch(stream, {"append"}, [&](cudaStream_t s) { REQUIRE(kvstrata_test::append(s, to, from) == cudaSuccess); });
  const auto seen = d.allocate_pinned(slab.size(), "slab");
  d.copy(stream, copy_direction::from_device, seen.data(), on_device.data(), slab.size());
  d.wait_sync(d.record(stream));

  for (std::size_t i = 0; i < owners.size(); ++i) {
    const auto key = static_cast<std::size_t>(view.key(layer, owners[i], positions[i]) - view.base);
    std::memcpy(slab.data() + key, source.data() + i * stride, row);
    std::memcpy(slab.data() + key + view.value_offset(), source.data() + i * stride + row, row);
  }
  CHECK(std::memcmp(seen.data(), slab.data(), slab.size()) == 0);
}

}  // namespace

TEST_CASE("append kernel: rows are where the page table says, and nothing else has changed")
{
  append_and_compare(1, {.layers = 3, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16}, 32, 0);
  append_and_compare(2, {.layers = 2, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16}, 8, 4096);
  append_and_compare(3, {.layers = 2, .kv_heads = 1, .head_dim = 64, .element = element_type::f32}, 16, 8);
  append_and_compare(4, {.layers = 2, .kv_heads = 3, .head_dim = 20, .element = element_type::fp8_e4m3}, 16, 0);
  append_and_compare(5, {.layers = 2, .kv_heads = 3, .head_dim = 7, .element = element_type::bf16}, 5, 2);
  append_and_compare(6, {.layers = 2, .kv_heads = 1, .head_dim = 1, .element = element_type::int8}, 3, 1);
}

TEST_CASE("append kernel: no rows queue nothing, and what is wrong is said before anything is queued")
{
  cuda_device d;
  const stream_id stream = d.create_stream("append");
  const auto memory = d.allocate_device(4096, "slab");
  paged_layer to{.base = memory.data(), .page_stride = 64, .page_tokens = 4, .key_bytes = 8};
  d.launch(stream, {"append"}, [&](cudaStream_t s) {
    CHECK(kvstrata_test::append(s, to, {}) == cudaSuccess);
    CHECK_THROWS_AS(kvstrata_test::append(s, to, {.rows = 1}), usage_error);
    to.page_stride = 63;
    CHECK_THROWS_AS(kvstrata_test::append(s, to, {}), config_error);
  });
  CHECK_NOTHROW(d.wait_sync(d.record(stream)));
}
