// How far an I/O has come, answer by answer; and which registered buffer bytes lie in.
#include "support/catch.hpp"

#include <kvstrata/tiers/nvme/io/io_progress.hpp>
#include <kvstrata/tiers/nvme/io/registered_memory.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace {

constexpr std::size_t block = 4096;

}  // namespace

TEST_CASE("an I/O goes on where an answer ended, by whole steps")
{
  std::vector<std::byte> memory(6 * block);
  const std::vector<kvstrata::nvme::memory_piece> pieces{{memory.data(), 2 * block},
                                                         {memory.data() + 2 * block, 0},
                                                         {memory.data() + 2 * block, 3 * block},
                                                         {memory.data() + 5 * block, block}};
  const kvstrata::nvme::block_io io{.offset = 7, .pieces = pieces};
  kvstrata::nvme::io_progress progress(io, 100 * block, block);
  REQUIRE_FALSE(progress.over());
  auto part = progress.next();
  CHECK(part.count == 4);
  CHECK(part.bytes == 6 * block);
  CHECK(part.offset == 100 * block);
  CHECK(part.data == memory.data());
  CHECK(progress.took(-EINTR) == std::nullopt);
  CHECK(progress.took(-ECANCELED) == std::nullopt);
  CHECK_FALSE(progress.was_short());

  // A block and something: the something is asked for again.
  CHECK(progress.took(block + 904) == std::nullopt);
  CHECK(progress.was_short());
  part = progress.next();
  CHECK(part.count == 1);
  CHECK(part.data == memory.data() + block);
  CHECK(part.bytes == block);
  CHECK(part.offset == 101 * block);
  CHECK(progress.took(block) == std::nullopt);
  CHECK_FALSE(progress.was_short());
  part = progress.next();
  CHECK(part.data == memory.data() + 2 * block);
  CHECK(part.bytes == 4 * block);

  // Cut: whole pieces while they fit, else the beginning of one.
  CHECK(progress.cut(100).bytes == 100);
  CHECK(progress.cut(3 * block + 1).bytes == 3 * block);
  CHECK(progress.cut(3 * block + 1).offset == 102 * block);
  CHECK(progress.took(3 * block) == std::nullopt);
  CHECK(progress.was_short());
  CHECK(progress.next().bytes == block);
  CHECK(progress.took(block) == 0);
  CHECK(progress.over());
}

TEST_CASE("an I/O that does not go on is over")
{
  std::vector<std::byte> memory(2 * block);
  const std::vector<kvstrata::nvme::memory_piece> pieces{{memory.data(), 2 * block}};
  const kvstrata::nvme::block_io io{.pieces = pieces};
  for (const std::int64_t answer : {std::int64_t{0}, std::int64_t{block - 1}, std::int64_t{2 * block + 1}}) {
    kvstrata::nvme::io_progress progress(io, 0, block);
    static_cast<void>(progress.next());
    CHECK(progress.took(answer) == EIO);
    CHECK_FALSE(progress.was_short());
  }
  kvstrata::nvme::io_progress progress(io, 0, block);
  static_cast<void>(progress.next());
  CHECK(progress.took(-ENOSPC) == ENOSPC);
  CHECK(kvstrata::nvme::io_progress({}, 0, block).over());
}

TEST_CASE("registered memory: bytes lie in one buffer or in none")
{
  std::vector<std::byte> memory(10 * block);
  const std::span<std::byte> all(memory);
  kvstrata::nvme::registered_memory buffers;
  CHECK_FALSE(buffers.find(memory.data(), 1));
  buffers.add(all.subspan(6 * block, 2 * block), 0);
  buffers.add(all.subspan(2 * block, 2 * block), 1);
  buffers.add(all.subspan(4 * block, 2 * block), 2);
  CHECK(buffers.size() == 3);
  for (std::size_t first = 0; first < 10; ++first) {
    for (std::size_t count = 1; first + count <= 10; ++count) {
      const auto found = buffers.find(memory.data() + first * block, count * block);
      std::optional<int> expected;
      if (first / 2 == (first + count - 1) / 2) {
        if (first / 2 == 1) expected = 1;
        if (first / 2 == 2) expected = 2;
        if (first / 2 == 3) expected = 0;
      }
      CHECK(found == expected);
    }
  }
  CHECK_FALSE(buffers.find(memory.data() + 2 * block, ~std::size_t{0}));
}
