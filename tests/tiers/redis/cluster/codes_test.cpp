// What a redis_cluster does whose values are encoded: they take less room, are nobody's to who has another codec, give no wrong
// byte whatever becomes of their codes, and go with their sequence.
#include "support/catch.hpp"
#include "support/toy_body.hpp"
#include "tiers/redis/cluster/toy_server.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/codec/identity.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/redis_cluster.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;
using Catch::Contains;
using D = emulated_device;

namespace {

/// A page of 4 tokens is 1 KiB in each of 2 layers.
constexpr piece_shape piece{.tokens = 4, .kv_heads = 2, .head_dim = 32};
constexpr std::size_t page_bytes = 2 * piece.bytes();

template <class Codec>
struct bed
{
  using cluster = typename redis_cluster<Codec>::template on<D>;

  D device{{.time = time_mode::virtual_time}};
  cluster store;
  std::vector<std::byte> memory = std::vector<std::byte>(32 * page_bytes);

  static redis_cluster_config config(const toy_server& server)
  {
    return {.addresses = {server.address()},
            .layers = 2,
            .value_bytes = 4096 - 64,  // three pages of a layer, as they are
            .piece = piece,
            .workers = 1,
            .request_seconds = 5};
  }
  explicit bed(const toy_server& server, const redis_cluster_config* other = nullptr)
      : store(device, other != nullptr ? *other : config(server))
  {
  }

  [[nodiscard]] static std::uint64_t row(std::uint64_t id, std::size_t i)
  {
    return toy_top | (id << 32U) | (i * 7 + id);
  }
  [[nodiscard]] store_outcome end(const std::optional<store_promise>& promise)
  {
    REQUIRE(promise);
    device.wait_sync(promise->point);
    const auto out = store.poll(*promise);
    REQUIRE(out);
    return *out;
  }
  [[nodiscard]] std::vector<io_piece> pieces(std::size_t pages) { return {{memory.data(), pages * page_bytes}}; }
  [[nodiscard]] store_outcome put(std::uint64_t id, token_interval tokens)
  {
    const record_header header = record_of(id, tokens);
    for (std::size_t i = 0; i < header.pages().size() * page_bytes / 8; ++i) {
      const std::uint64_t value = row(id, header.pages().begin * page_bytes / 8 + i);
      std::memcpy(memory.data() + 8 * i, &value, 8);
    }
    return end(store.put({.id = id}, header, pieces(header.pages().size()), {}));
  }
  [[nodiscard]] found_record find(std::uint64_t id)
  {
    if (store.find({.id = id}).is == found_record::knowledge::unknown) REQUIRE(end(store.ask({.id = id})).done());
    return store.find({.id = id});
  }
  [[nodiscard]] store_outcome get(std::uint64_t id, token_interval wanted)
  {
    std::memset(memory.data(), 0xA5, memory.size());
    return end(store.get({.id = id}, record_of(id, wanted), wanted, pieces(pages_of(wanted, piece.tokens).size()), {}));
  }
  [[nodiscard]] bool shows(std::uint64_t id, page_interval pages, bool rounded = false)
  {
    for (std::size_t i = 0; i < pages.size() * page_bytes / 8; ++i) {
      std::uint64_t value = 0;
      std::memcpy(&value, memory.data() + 8 * i, 8);
      const std::uint64_t right = row(id, pages.begin * page_bytes / 8 + i);
      if (value != (rounded ? toy_rounded(right) : right)) return false;
    }
    return true;
  }
  [[nodiscard]] redis::cluster_counts counts() { return store.figures().counts; }
};

/// Changes each value of one server, its head made right for what it is then: change(head, body).
template <class Change>
void change_values(toy_server& server, Change&& change)
{
  server.each([&](const std::string& key, std::string& kept) {
    if (key.back() == 'm') return;
    std::vector<std::byte> bytes(kept.size());
    std::memcpy(bytes.data(), kept.data(), kept.size());
    auto head = redis::decode_value_head(redis::const_value_head_span(bytes.data(), redis::value_head_bytes));
    REQUIRE(head);
    std::vector<std::byte> body(bytes.begin() + redis::value_head_bytes, bytes.end());
    change(*head, body);
    head->bytes = static_cast<std::uint32_t>(body.size());
    head->crc = stores::crc32c(body);
    redis::encode(*head, redis::value_head_span(bytes.data(), redis::value_head_bytes));
    kept.assign(reinterpret_cast<const char*>(bytes.data()), redis::value_head_bytes);
    kept.append(reinterpret_cast<const char*>(body.data()), body.size());
  });
}

}  // namespace

TEST_CASE("values with a codec take less room, and the store says how much; every stretch of them comes back")
{
  toy_server server;
  bed<toy_body> b(server);
  REQUIRE(b.put(1, {2, 70}).done());   // 18 pages: six values a layer
  REQUIRE(b.put(1, {68, 90}).done());  // and a second put, side by side
  const redis::cluster_counts counts = b.counts();
  REQUIRE(counts.put_bytes == (18 + 6) * page_bytes);
  std::uint64_t there = 0;
  server.each([&](const std::string& key, const std::string& value) { there += key.back() == 'm' ? 0 : value.size(); });
  REQUIRE(counts.stored_bytes == there);  // what the first put has of the page that both fill is there, too
  // Of 8 bytes five, a byte and a row of 8 a page, and a head for three pages.
  REQUIRE(counts.stored_bytes == 2 * (24 * (8 + 1 + piece.bytes() / 8 * 5) + 8 * redis::value_head_bytes));
  for (token_count begin = 2; begin < 90; begin += 5) {
    for (token_count end = begin + 1; end <= 90; end += 7) {
      CAPTURE(begin, end);
      REQUIRE(b.get(1, {begin, end}).done());
      REQUIRE(b.shows(1, pages_of({begin, end}, piece.tokens)));
    }
  }
  REQUIRE(b.counts().damaged == 0);
}

TEST_CASE("another codec's sequences are nobody's, are replaced by puts, and keep what was said of erasures")
{
  toy_server server;
  bed<toy_body> mine(server);
  bed<lossy_toy_body> lossy(server);
  bed<codec::identity> none(server);
  redis_cluster_config wide = bed<toy_body>::config(server);
  wide.piece.kv_heads = 1;
  wide.piece.head_dim = 64;
  bed<toy_body> shaped(server, &wide);
  REQUIRE(mine.put(1, {0, 40}).done());
  REQUIRE(lossy.find(1).is == found_record::knowledge::absent);
  REQUIRE(none.find(1).is == found_record::knowledge::absent);
  REQUIRE(shaped.find(1).is == found_record::knowledge::absent);
  REQUIRE(none.counts().foreign == 1);
  REQUIRE(none.get(1, {0, 40}).why == loss::gone);
  REQUIRE(mine.get(1, {0, 40}).done());
  REQUIRE(none.put(1, {0, 20}).done());
  REQUIRE(server.size() == 1 + 2 * 2);  // what had the codec is gone, with all its values
  REQUIRE(none.get(1, {0, 20}).done());
  REQUIRE(none.shows(1, {0, 5}));
  mine.store.erase({.id = 1});
  REQUIRE(mine.end(mine.store.flush()).done());
  REQUIRE(server.size() == 1);
  REQUIRE(none.put(1, {0, 20}).why == loss::gone);  // who has not heard of it
}

TEST_CASE("codes that are malformed, or are of other bytes, are a miss, and go")
{
  using damage = void (*)(redis::value_head&, std::vector<std::byte>&);
  const damage damages[] = {
      [](redis::value_head&, std::vector<std::byte>& body) { body[stores::at_page_row::end * 3] = std::byte{7}; },
      [](redis::value_head&, std::vector<std::byte>& body) { body.back() ^= std::byte{1}; },
      [](redis::value_head&, std::vector<std::byte>& body) { body.resize(body.size() - 1); },
      [](redis::value_head&, std::vector<std::byte>& body) { body.resize(5); },
      [](redis::value_head&, std::vector<std::byte>& body) {  // a length that is none
        for (std::size_t i = 0; i < 4; ++i) body[i] = std::byte{0xFF};
      },
  };
  for (const damage how : damages) {
    toy_server server;
    bed<toy_body> b(server);
    REQUIRE(b.put(1, {0, 36}).done());
    REQUIRE(b.get(1, {0, 36}).done());
    change_values(server, how);
    REQUIRE(b.get(1, {0, 36}).why == loss::checksum);
    REQUIRE(b.counts().damaged != 0);
    REQUIRE(b.find(1).is == found_record::knowledge::absent);
    REQUIRE(server.size() == 1);
    REQUIRE(b.put(1, {0, 36}).done());
    REQUIRE(b.get(1, {0, 36}).done());
    REQUIRE(b.shows(1, {0, 9}));
  }
  {  // longer than a value of such pages can be: before memory is taken for it
    toy_server server;
    bed<toy_body> b(server);
    REQUIRE(b.put(1, {0, 36}).done());
    change_values(server,
                  [](redis::value_head&, std::vector<std::byte>& body) { body.resize(3 * (8 + piece.bytes()) + 1); });
    REQUIRE(b.get(1, {0, 36}).why == loss::checksum);
    REQUIRE(b.counts().foreign != 0);
  }
}

TEST_CASE("a lossy codec gives what it made of the bytes, and leaves pages that are filled in part as they are")
{
  toy_server server;
  bed<lossy_toy_body> b(server);
  REQUIRE(b.put(1, {2, 13}).done());
  REQUIRE(b.get(1, {2, 13}).done());
  REQUIRE(b.shows(1, {0, 1}));
  REQUIRE_FALSE(b.shows(1, {0, 4}));
  REQUIRE(b.get(1, {4, 12}).done());
  REQUIRE(b.shows(1, {1, 3}, true));
  REQUIRE(b.get(1, {12, 13}).done());
  REQUIRE(b.shows(1, {3, 4}));
}

TEST_CASE("codes come layer by layer")
{
  toy_server server;
  bed<toy_body> b(server);
  REQUIRE(b.put(1, {0, 70}).done());
  std::vector<event> layers;
  const auto promise = b.store.get_by_layer({.id = 1}, record_of(1, {0, 70}), {0, 70}, b.pieces(18), {}, layers);
  REQUIRE(promise);
  REQUIRE(layers.size() == 2);
  b.device.wait_sync(layers[0]);
  REQUIRE(b.end(promise).done());
  REQUIRE(b.shows(1, {0, 18}));
}

TEST_CASE("a store with a codec says what it cannot do")
{
  toy_server server;
  redis_cluster_config c = bed<toy_body>::config(server);
  const auto refused = [&](auto&& change) {
    redis_cluster_config other = c;
    change(other);
    try {
      const bed<toy_body> b(server, &other);
    } catch (const config_error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  REQUIRE_THAT(refused([](auto& o) { o.piece = {}; }), Contains("redis_cluster.piece"));
  REQUIRE_THAT(refused([](auto& o) { o.value_bytes = 1024 - 64; }),
               Contains("redis_cluster.value_bytes") && Contains("960") && Contains("takes up to 1224"));
  REQUIRE_THROWS_WITH(bed<codec::identity>(server,
                                           [&]() -> const redis_cluster_config* {
                                             static redis_cluster_config coded = c;
                                             coded.code = stores::code_of<toy_body>(piece);
                                             return &coded;
                                           }()),
                      Contains("redis_cluster.code") && Contains("redis_cluster<codec>"));
  bed<toy_body> b(server);
  REQUIRE_THROWS_WITH(b.store.put({.id = 2}, record_of(1, {0, 4}), std::vector<io_piece>{{b.memory.data(), 1024}}, {}),
                      Contains("the store's codec encodes pages of 4 tokens and 1024 bytes"));
}
