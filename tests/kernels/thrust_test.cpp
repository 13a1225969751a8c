// The kernels' bodies as function objects of a parallel library: Thrust's host system calls them for every rank.
#include "support/catch.hpp"

#if __has_include(<thrust/for_each.h>)
#define THRUST_DEVICE_SYSTEM THRUST_DEVICE_SYSTEM_CPP
#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>

#include <kvstrata/core/host_memory.hpp>
#include <kvstrata/device/cuda/copy_pieces.hpp>
#include <kvstrata/layout/append_rows.hpp>

#include <algorithm>
#include <cstring>
#include <random>
#include <type_traits>
#include <vector>

using namespace kvstrata;

namespace {

/// One number a rank, as Thrust counts.
template <class Body>
struct ranked
{
  Body body;
  std::uint32_t blocks;
  std::uint32_t threads;

  void operator()(std::uint32_t rank) const { body(rank / threads, blocks, rank % threads); }
};

template <class Body>
void for_all_ranks(const Body& body, std::uint32_t blocks, std::uint32_t threads)
{
  const thrust::counting_iterator<std::uint32_t> first(0);
  thrust::for_each(thrust::device, first, first + blocks * threads, ranked<Body>{body, blocks, threads});
}

}  // namespace

TEST_CASE("copy_pieces through Thrust's host system: the bytes of memcpy")
{
  std::mt19937 draw(3);
  constexpr std::size_t bytes = 300'000;
  std::vector<std::byte> from(bytes), to(bytes, std::byte{0xA5});
  std::generate(from.begin(), from.end(), [&] { return static_cast<std::byte>(draw()); });
  std::vector<std::byte> expected(bytes, std::byte{0xA5});
  std::vector<copy_piece> pieces;
  for (std::size_t at = draw() % 50; pieces.size() < 500;) {
    const std::size_t size = draw() % 1200;
    const std::size_t source = draw() % (bytes - size);
    if (at + size > bytes) break;
    pieces.push_back({to.data() + at, from.data() + source, size});
    std::memcpy(expected.data() + at, from.data() + source, size);
    at += size + draw() % 20;
  }
  kvstrata::cuda::each_piece_table(pieces, [](const auto& table) {
    using body = kvstrata::cuda::copy_pieces<std::remove_cvref_t<decltype(table)>, host_memory>;
    for_all_ranks(body{table}, kvstrata::cuda::busy_blocks(table.units, 6), kvstrata::cuda::copy_threads);
  });
  CHECK(std::memcmp(to.data(), expected.data(), bytes) == 0);
}

TEST_CASE("append_rows through Thrust's host system: rows are where the page table says")
{
  std::mt19937 draw(4);
  constexpr token_count page_tokens = 8;
  constexpr std::uint32_t key_bytes = 96;
  constexpr std::uint32_t rows = 100;
  const std::vector<page_id> ids{to_page(5),  to_page(0), to_page(9),  to_page(3), to_page(1),  to_page(12), to_page(2),
                                 to_page(11), to_page(4), to_page(10), to_page(6), to_page(13), to_page(7)};
  const std::vector<std::int32_t> indptr{0, 6, 13};
  std::vector<std::byte> slab(14 * 2 * page_tokens * key_bytes, std::byte{0xA5});
  std::vector<std::byte> source(2 * rows * key_bytes);
  std::generate(source.begin(), source.end(), [&] { return static_cast<std::byte>(draw()); });
  std::vector<std::uint32_t> requests;
  std::vector<token_count> positions;
  std::vector<std::byte> expected(slab.size(), std::byte{0xA5});
  const paged_layer to{.page_ids = ids.data(),
                       .indptr = indptr.data(),
                       .base = slab.data(),
                       .page_stride = 2 * page_tokens * key_bytes,
                       .page_tokens = page_tokens,
                       .key_bytes = key_bytes};
  for (std::uint32_t row = 0; row < rows; ++row) {
    const std::uint32_t request = row < 48 ? 0 : 1;
    const token_count position = request == 0 ? 47 - row : row - 48;
    requests.push_back(request);
    positions.push_back(position);
    const std::size_t page = to_number(ids[static_cast<std::size_t>(indptr[request]) + position / page_tokens]);
    const std::size_t at = page * 2 * page_tokens * key_bytes + position % page_tokens * key_bytes;
    std::memcpy(expected.data() + at, source.data() + row * key_bytes, key_bytes);
    std::memcpy(expected.data() + at + page_tokens * key_bytes, source.data() + (rows + row) * key_bytes, key_bytes);
  }
  const new_rows from{.keys = source.data(),
                      .values = source.data() + rows * key_bytes,
                      .key_stride = key_bytes,
                      .value_stride = key_bytes,
                      .requests = requests.data(),
                      .positions = positions.data(),
                      .rows = rows};
  const append_rows<host_memory> body{.to = to, .from = from, .width = append_width(to, from)};
  CHECK(body.width == 16);
  for_all_ranks(body, body.blocks(), append_threads);
  CHECK(std::memcmp(slab.data(), expected.data(), expected.size()) == 0);
}

#else

TEST_CASE("kernel bodies through Thrust's host system")
{
  SKIP_TEST("Thrust's headers are not on the include path (a CUDA toolkit or libthrust-dev has them)");
}

#endif
