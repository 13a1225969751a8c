// What an nvme_file does that keeps its records by a codec: it takes less room, is refused to other codecs, gives no wrong byte
// whatever becomes of its codes, and moves codes as they are.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"
#include "support/toy_codec.hpp"
#include "tiers/nvme/scratch_files.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/codec/body_coder.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using namespace kvstrata;
using kvstrata_test::lossy_toy;
using kvstrata_test::record_of;
using kvstrata_test::toy;
using D = emulated_device;

namespace {

/// The toy, counting how often it decodes.
struct counted
{
  using option_kind = codec_option;
  static constexpr std::string_view name = "counted";
  static constexpr bool lossy = false;
  using config = toy::config;
  inline static std::atomic<unsigned> decoded = 0;

  struct bound
  {
    codec::as_body<toy>::bound inner;

    [[nodiscard]] std::size_t most_bytes() const { return inner.most_bytes(); }
    [[nodiscard]] std::size_t encode(std::span<const std::byte> raw, std::span<std::byte> code) const
    {
      return inner.encode(raw, code);
    }
    [[nodiscard]] bool decode(std::span<const std::byte> code, std::span<std::byte> raw) const
    {
      ++decoded;
      return inner.decode(code, raw);
    }
  };
  [[nodiscard]] static bound coder(const piece_shape& piece, const config& told)
  {
    return {codec::as_body<toy>::coder(piece, told)};
  }
};

/// Large pages, so that codes are shorter than their heads are long: a page of 4 tokens is 8 KiB in each of 2 layers.
constexpr piece_shape piece{.tokens = 4, .kv_heads = 2, .head_dim = 256};
constexpr std::size_t page_bytes = 2 * piece.bytes();

template <class Codec>
struct bed
{
  using drive = typename nvme_file<Codec>::template on<D>;

  kvstrata_test::scratch_files folder;
  nvme_file_config config{.paths = {folder.path("store")},
                          .bytes = 9 << 18,
                          .region_bytes = 1 << 18,
                          .chunk_bytes = 4 * page_bytes,
                          .layers = 2,
                          .piece = piece};
  D device{{.time = time_mode::virtual_time}};
  std::optional<drive> store;
  std::vector<std::byte> memory = std::vector<std::byte>(16 * page_bytes);

  bed() { open(); }
  void open()
  {
    store.reset();
    store.emplace(device, config);
  }

  [[nodiscard]] static std::uint64_t row(std::uint64_t id, std::size_t i)
  {
    return kvstrata_test::toy_row((id * 31 + i) * 0x9e3779b97f4a7c15U | 1ULL << 63U);
  }
  [[nodiscard]] store_outcome end(const std::optional<store_promise>& promise)
  {
    REQUIRE(promise);
    device.wait_sync(promise->point);
    const auto out = store->poll(*promise);
    REQUIRE(out);
    return *out;
  }
  [[nodiscard]] std::vector<io_piece> pieces(std::size_t pages) { return {{memory.data(), pages * page_bytes}}; }
  void put(std::uint64_t id, record_header header)
  {
    for (std::size_t i = 0; i < memory.size() / 8; ++i) {
      const std::uint64_t value = row(id, header.pages().begin * page_bytes / 8 + i);
      std::memcpy(memory.data() + 8 * i, &value, 8);
    }
    REQUIRE(end(store->put({.id = id}, header, pieces(header.pages().size()), {})).done());
  }
  [[nodiscard]] record_header find(std::uint64_t id)
  {
    if (store->find({.id = id}).is == found_record::knowledge::unknown) static_cast<void>(end(store->ask({.id = id})));
    return store->find({.id = id}).header;
  }
  [[nodiscard]] store_outcome get(std::uint64_t id, token_interval wanted)
  {
    std::memset(memory.data(), 0xA5, memory.size());
    const page_count count = pages_of(wanted, piece.tokens).size();
    return end(store->get({.id = id}, find(id), wanted, pieces(count), {}));
  }
  /// Of pages that begin with this one. `rounded`: as a lossy copy has them.
  [[nodiscard]] bool shows(std::uint64_t id, page_interval pages, bool rounded = false)
  {
    for (std::size_t i = 0; i < pages.size() * page_bytes / 8; ++i) {
      std::uint64_t value = 0;
      std::memcpy(&value, memory.data() + 8 * i, 8);
      const std::uint64_t right = row(id, pages.begin * page_bytes / 8 + i);
      if (value != (rounded ? kvstrata_test::toy_rounded(right) : right)) return false;
    }
    return true;
  }
  [[nodiscard]] bool untouched(std::size_t pages) const
  {
    return std::all_of(memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(pages * page_bytes),
                       [](std::byte b) { return b == std::byte{0xA5}; });
  }
  [[nodiscard]] nvme::store_counts counts() { return store->figures().counts; }
};

void says(const std::string& sentence, const std::string& part)
{
  INFO(sentence);
  CHECK(sentence.find(part) != std::string::npos);
}

using exact = codec::as_body<toy>;
using lossy = codec::as_body<lossy_toy>;

}  // namespace

TEST_CASE("a store with a codec has room for more, and says how much")
{
  bed<exact> b;
  for (std::uint64_t id = 1; id <= 8; ++id) b.put(id, record_of(id, {0, 32}));
  const nvme::store_counts c = b.counts();
  CHECK(c.put_bytes == 8 * 8 * page_bytes);
  CHECK(c.code_bytes < c.put_bytes * 13 / 20);
  CHECK(c.stored_bytes == 8 * 2 * (1 + 2 * 6) * nvme::block_bytes);  // four pages take 20.6 KiB of 32 in a layer
  CHECK(nvme::stored_ratio(c) > 1.2);
  for (int round = 0; round < 2; ++round, b.open()) {  // and is there again
    for (std::uint64_t id = 1; id <= 8; ++id) {
      REQUIRE(b.get(id, {0, 32}).done());
      CHECK(b.shows(id, {0, 8}));
      REQUIRE(b.get(id, {9, 21}).done());
      CHECK(b.shows(id, {2, 6}));
    }
  }
}

TEST_CASE("a store is opened by its own codec only, and by whom takes the same pieces")
{
  bed<exact> b;
  b.put(1, record_of(1, {0, 8}));
  b.store.reset();
  const auto refusal = [&b](auto codec, nvme_file_config c) {
    return kvstrata_test::sentence_of<kvstrata::error>(
        [&] { typename nvme_file<typename decltype(codec)::type>::template on<D> other(b.device, c); });
  };
  nvme_file_config c = b.config;
  says(refusal(std::type_identity<codec::identity>{}, c), "it was made with codec toy on pages of 4 tokens");
  says(refusal(std::type_identity<codec::identity>{}, c), "not no codec");
  says(refusal(std::type_identity<lossy>{}, c), "not codec toy, lossy");
  c.piece.head_dim = 128;
  c.piece.kv_heads = 4;
  says(refusal(std::type_identity<exact>{}, c), "4 heads of 128");
  c.piece = {};
  says(refusal(std::type_identity<exact>{}, c), "a codec must know what it encodes");
  b.open();
  REQUIRE(b.get(1, {0, 8}).done());

  bed<codec::identity> plain;
  plain.store.reset();
  says(refusal(std::type_identity<exact>{}, plain.config), "not taken as a store");
  const std::vector<io_piece> short_pages{{b.memory.data(), 1024}};
  const auto put = [&] { static_cast<void>(b.store->put({.id = 2}, record_of(1, {0, 4}), short_pages, {})); };
  says(kvstrata_test::sentence_of<usage_error>(put), "the store's codec encodes pages of 4 tokens and 8192 bytes");
}

TEST_CASE("a lossy codec gives what it made of the bytes, and leaves pages that are filled in part as they are")
{
  bed<lossy> b;
  b.put(1, record_of(1, {2, 13}));
  REQUIRE(b.get(1, {2, 13}).done());
  CHECK(b.shows(1, {0, 1}));
  CHECK_FALSE(b.shows(1, {0, 4}));
  REQUIRE(b.get(1, {4, 12}).done());
  CHECK(b.shows(1, {1, 3}, true));
  REQUIRE(b.get(1, {12, 13}).done());
  CHECK(b.shows(1, {3, 4}));
  CHECK(b.counts().lost_checksum == 0);
}

TEST_CASE("from which token on a record is inexact is kept, and all is exact where nothing was said")
{
  bed<codec::identity> b;
  record_header header = record_of(1, {0, 8});
  b.put(1, header);
  header.inexact_from = 5;
  b.put(2, header);
  b.open();
  CHECK(b.find(1).inexact_from == (std::numeric_limits<token_count>::max)());
  CHECK(b.find(2).inexact_from == 5);
  REQUIRE(b.get(2, {0, 8}).done());
}

TEST_CASE("codes that another version of a codec has made are lost, and nothing is written")
{
  bed<exact> b;
  b.put(1, record_of(1, {0, 8}));
  b.store.reset();
  // Another byte in a code, and checksums that hold together all the same: only decoding can tell.
  std::vector<std::byte> bytes(b.config.bytes);
  std::fstream file(b.config.paths[0], std::ios::in | std::ios::out | std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  std::size_t at = 0;
  while (nvme::load(bytes.data() + at, nvme::at_head::kind) != 6) at += nvme::block_bytes;
  const nvme::block_span head(bytes.data() + at, nvme::block_bytes);
  const auto change = [&](std::size_t where, std::byte value) {
    bytes[at + nvme::block_bytes + where] = value;
    const std::span<const std::byte> part(bytes.data() + at + nvme::block_bytes,
                                          nvme::coded_part_of(head, 0).blocks * nvme::block_bytes);
    nvme::store(head.data(), nvme::at_record::part_crc(0), nvme::crc32c(part));
    nvme::format_detail::end_block(head);
    file.seekp(0);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    file.flush();
  };
  const std::size_t codes = 2 * nvme::at_page_row::end;
  std::size_t where = 0;
  SECTION("a code that its head calls none") { change(where = codes, std::byte{0x11}); }
  SECTION("a row that decodes to another one") { change(where = codes + 40, std::byte{0x77}); }
  SECTION("a length beyond the part") { change(where = 3, std::byte{0x7f}); }
  SECTION("a code that calls itself raw") { change(where = 3, std::byte{0x80}); }
  b.open();
  CHECK(b.get(1, {0, 4}).why == loss::checksum);
  CHECK(b.untouched(1));
  CHECK(b.store->find({.id = 1}).is == found_record::knowledge::absent);
}

TEST_CASE("what is in use is written again as the codes that it has")
{
  bed<counted> b;
  b.put(1, record_of(1, {0, 13}));
  b.put(1, record_of(1, {12, 30}));
  REQUIRE(b.get(1, {0, 30}).done());
  const unsigned before = counted::decoded;
  std::uint64_t id = 100;
  while (b.counts().reinserted_bytes == 0 && id < 200) b.put(id, record_of(id, {0, 32})), ++id;
  CHECK(b.counts().reinserted_bytes == 8 * page_bytes);
  CHECK(counted::decoded == before);
  REQUIRE(b.get(1, {0, 30}).done());
  CHECK(b.shows(1, {0, 3}));
  REQUIRE(b.get(1, {16, 30}).done());
  CHECK(b.shows(1, {4, 7}));
}
