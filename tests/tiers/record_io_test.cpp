// What a store's I/O says of its memory: all of it, or a layer's part of each page, however the pages lie in pieces.
#include "support/catch.hpp"

#include <kvstrata/tiers/stores/record_io.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

TEST_CASE("an I/O that comes by layers names the bytes of each layer, and of no other", "[stores]")
{
  constexpr std::uint32_t page_bytes = 24, layers = 3, pages = 4;
  std::array<std::byte, 200> memory{};
  const std::vector<std::vector<kvstrata::io_piece>> cuts{
      {{memory.data(), 96}},
      {{memory.data() + 100, 24}, {memory.data(), 48}, {memory.data() + 60, 24}},
      {{memory.data() + 90, 5}, {memory.data(), 60}, {memory.data() + 120, 31}}};
  for (const auto& pieces : cuts) {
    kvstrata::record_io io;
    io.what = kvstrata::record_io::kind::get;
    io.page_bytes = page_bytes;
    io.use(pieces, {});
    io.come_by_layer(layers);
    REQUIRE(io.layer_points.size() == layers);
    std::vector<const std::byte*> all;  // [byte of the record]
    for (const kvstrata::io_piece& piece : pieces) {
      for (std::size_t i = 0; i < piece.bytes; ++i) all.push_back(piece.data + i);
    }
    REQUIRE(all.size() == std::size_t{page_bytes} * pages);
    for (std::size_t layer = 0; layer < layers; ++layer) {
      std::vector<const std::byte*> said, wanted;
      for (const kvstrata::byte_range& range : io.described(layer, layers).writes) {
        for (std::size_t i = 0; i < range.size; ++i) said.push_back(range.data + i);
      }
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (i % page_bytes / (page_bytes / layers) == layer) wanted.push_back(all[i]);
      }
      CHECK(said == wanted);
    }
    CHECK(io.described(0, 1).writes.size() == pieces.size());
    io.what = kvstrata::record_io::kind::put;
    CHECK(io.described(0, 1).writes.empty());
    CHECK(io.described(0, 1).reads.size() == pieces.size());
  }
}
