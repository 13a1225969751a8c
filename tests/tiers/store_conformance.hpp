// What every store must do, whatever its medium: run it on your own with a file of a few lines,
//
//   struct my_subject
//   {
//     template <kvstrata::host_stream_device Device>
//     static auto make(Device& d) { return std::make_unique<my_store::on<Device>>(d, my_config); }
//   };
//   TEST_CASE("my store") { kvstrata_test::store_conformance<my_subject>(); }
//
// and on a device of your own with store_conformance<my_subject, my_device>(). Each call makes a store that is empty, answers
// all it is asked, loses nothing by itself and has room for a few hundred records of some kilobytes; how late it answers, in
// what order, and whether it knows what it has without being asked is its own affair. The oracle knows of each sequence the
// life and the tokens that were put, and what bytes each token has.
#pragma once

#include "support/catch.hpp"
#include "support/device_bed.hpp"
#include "support/toy_codec.hpp"
#include "tiers/tier_conformance.hpp"

#include <kvstrata/tiers/stores/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Four tokens of 16 bytes a page.
inline constexpr kvstrata::token_count record_page = 4;
inline constexpr std::size_t record_token_bytes = 16;
inline constexpr std::size_t record_page_bytes = record_page * record_token_bytes;

[[nodiscard]] inline kvstrata::record_header record_of(std::uint64_t life, kvstrata::token_interval tokens)
{
  return {.incarnation = kvstrata::incarnation_id{life},
          .epoch = kvstrata::epoch_id{7},
          .format = kvstrata::kv_format{99},
          .page_tokens = record_page,
          .tokens = tokens};
}

/// Byte `i` of a token: another in each life of each sequence. Rows of most tokens have the toy codec's code, and one that its
/// lossy kind changes nothing in (support/toy_codec.hpp).
[[nodiscard]] inline std::byte record_byte(std::uint64_t id, std::uint64_t life, kvstrata::token_count token,
                                           std::size_t i)
{
  if (token % 8 != 5) {
    if (i % 8 == 0) return std::byte{0xFF};
    if (i % 8 >= 5) return static_cast<std::byte>(toy_top >> (8 * (i % 8)));
  }
  std::uint64_t x = (id * 31 + life) * 1000003 + token * 257 + i;
  x = (x ^ (x >> 31U)) * 0x9e3779b97f4a7c15U;
  return static_cast<std::byte>(x >> 56U);
}

/// Memory of a few records, and a store.
template <class Store, class Device>
class store_bed
{
 public:
  static constexpr std::size_t pages = 512;

  store_bed(Device& d, Store& s)
      : device_(&d), store_(&s), memory_(d.allocate_pinned(pages * record_page_bytes, "records"))
  {
  }

  [[nodiscard]] std::byte* page(std::size_t number) { return memory_.data() + number * record_page_bytes; }

  /// Consecutive pages, named in pieces of uneven sizes.
  [[nodiscard]] std::vector<kvstrata::io_piece> pieces(std::size_t first, std::size_t count, std::size_t uneven = 0)
  {
    std::vector<kvstrata::io_piece> out;
    const std::size_t all = count * record_page_bytes;
    for (std::size_t at = 0; at < all;) {
      const std::size_t part = std::min(all - at, uneven == 0 ? all : 8 + (at * 7 + uneven) % 150);
      out.push_back({page(first) + at, part});
      at += part;
    }
    return out;
  }

  /// Writes a record's bytes to the pages from `first` on; what of a page it has not is noise.
  void write(std::size_t first, std::uint64_t id, std::uint64_t life, kvstrata::token_interval tokens)
  {
    const kvstrata::page_interval p = kvstrata::pages_of(tokens, record_page);
    for (kvstrata::token_count t = p.begin * record_page; t < p.end * record_page; ++t) {
      for (std::size_t i = 0; i < record_token_bytes; ++i) {
        page(first)[(t - p.begin * record_page) * record_token_bytes + i] =
            tokens.contains(t) ? record_byte(id, life, t, i) : static_cast<std::byte>(0x5B);
      }
    }
  }
  [[nodiscard]] bool shows(std::size_t first, std::uint64_t id, std::uint64_t life, kvstrata::token_interval tokens)
  {
    const kvstrata::page_interval p = kvstrata::pages_of(tokens, record_page);
    for (kvstrata::token_count t = tokens.begin; t < tokens.end; ++t) {
      for (std::size_t i = 0; i < record_token_bytes; ++i) {
        if (page(first)[(t - p.begin * record_page) * record_token_bytes + i] != record_byte(id, life, t, i))
          return false;
      }
    }
    return true;
  }

  [[nodiscard]] std::optional<kvstrata::store_promise> put(std::size_t first, std::uint64_t id, std::uint64_t life,
                                                           kvstrata::token_interval tokens, std::size_t uneven = 0,
                                                           const kvstrata::fence& ready = {})
  {
    const auto from = pieces(first, kvstrata::pages_of(tokens, record_page).size(), uneven);
    return store_->put({.id = id}, record_of(life, tokens), from, ready);
  }
  [[nodiscard]] std::optional<kvstrata::store_promise> get(std::size_t first, std::uint64_t id,
                                                           const kvstrata::record_header& what,
                                                           kvstrata::token_interval wanted, std::size_t uneven = 0)
  {
    const auto into = pieces(first, kvstrata::pages_of(wanted, record_page).size(), uneven);
    return store_->get({.id = id}, what, wanted, into, {});
  }

  /// What became of it, in the end.
  [[nodiscard]] kvstrata::store_outcome wait(const kvstrata::store_promise& promise)
  {
    device_->wait_sync(promise.point);
    const auto out = store_->poll(promise);
    REQUIRE(out.has_value());
    return *out;
  }
  [[nodiscard]] bool keep(std::size_t first, std::uint64_t id, std::uint64_t life, kvstrata::token_interval tokens)
  {
    write(first, id, life, tokens);
    const auto promise = put(first, id, life, tokens);
    REQUIRE(promise);
    return wait(*promise).done();
  }
  /// Asked, where need be.
  [[nodiscard]] std::optional<kvstrata::record_header> find(std::uint64_t id, std::uint32_t space = 0)
  {
    using knowledge = kvstrata::found_record::knowledge;
    for (int attempt = 0; attempt < 3; ++attempt) {
      const kvstrata::found_record found = store_->find({.space = space, .id = id});
      if (found.is == knowledge::present) return found.header;
      if (found.is == knowledge::absent) return std::nullopt;
      const auto asked = store_->ask({.space = space, .id = id});
      REQUIRE(asked);
      REQUIRE(wait(*asked).done());
    }
    FAIL("it was asked, and does not know");
    return std::nullopt;
  }

 private:
  Device* device_;
  Store* store_;
  typename Device::memory memory_;
};

template <class Subject, class Device = kvstrata::emulated_device>
void store_conformance()
{
  using namespace kvstrata;
  Device d(tier_device<Device>());
  device_bed<Device> bed(d);
  const auto owner = Subject::make(d);
  auto& store = *owner;
  using store_type = std::remove_reference_t<decltype(store)>;
  static_assert(bound_store<store_type>);
  store_bed<store_type, Device> records(d, store);

  SECTION("an empty store finds nothing, and a get of what it has not is lost")
  {
    REQUIRE_FALSE(records.find(1));
    const auto promise = records.get(0, 1, record_of(5, {0, 9}), {0, 9});
    REQUIRE(promise);
    REQUIRE(records.wait(*promise).why == loss::gone);
    REQUIRE_FALSE(records.find(1));
  }

  SECTION("what is put is found as it was told, and got byte by byte, whole and in parts, in whatever pieces")
  {
    for (std::uint64_t id = 1; id <= 8; ++id) {
      const token_interval tokens{static_cast<token_count>(id % 3), static_cast<token_count>(5 * id)};
      records.write(0, id, 40 + id, tokens);
      record_header header = record_of(40 + id, tokens);
      header.first_token = static_cast<token_count>(id);
      header.earlier_until = static_cast<token_count>(2 * id);
      header.vouched_tokens = static_cast<token_count>(3 * id);
      header.vouched_hash = 77 * id;
      header.stretch_stride = static_cast<token_count>(id % 2);
      header.stretch_end = static_cast<token_count>(4 * id);
      header.stretch_hash = 78 * id;
      if (id % 4 == 1) header.inexact_from = static_cast<token_count>(id);
      if (id % 3 != 0) header.version = (id << 60U) + id;
      header.atomic = id % 4 >= 2;
      const auto put = store.put({.id = id}, header, records.pieces(0, header.pages().size(), id % 4), {});
      REQUIRE(put);
      REQUIRE(records.wait(*put).done());
      const auto found = records.find(id);
      REQUIRE(found);
      REQUIRE(*found == header);
      for (token_count begin = tokens.begin; begin < tokens.end; begin += 1 + begin % 3) {
        for (token_count end = begin + 1; end <= tokens.end; end += 1 + end % 5) {
          std::memset(records.page(200), 0, 32 * record_page_bytes);
          const auto get = records.get(200, id, *found, {begin, end}, begin + end);
          REQUIRE(get);
          REQUIRE(records.wait(*get).done());
          REQUIRE(records.shows(200, id, 40 + id, {begin, end}));
        }
      }
    }
  }

  SECTION("an outcome is told when its point has passed, and once")
  {
    records.write(0, 1, 1, {0, 8});
    const auto put = records.put(0, 1, 1, {0, 8});
    REQUIRE(put);
    for (int i = 0; i < 1000 && !d.query(put->point); ++i) {
      if (!d.query(put->point)) {
        const auto early = store.poll(*put);
        REQUIRE((!early || d.query(put->point)));
        if (early) return;  // real time went on meanwhile
      }
      if constexpr (device_bed<Device>::is_virtual) break;
    }
    REQUIRE(records.wait(*put).done());
  }

  SECTION("records of one life are joined, side by side; of another they are replaced")
  {
    REQUIRE(records.keep(0, 1, 1, {0, 8}));
    REQUIRE(records.keep(0, 1, 1, {8, 14}));
    REQUIRE((records.find(1)->tokens == token_interval{0, 14}));
    REQUIRE(records.keep(0, 1, 1, {12, 21}));
    REQUIRE((records.find(1)->tokens == token_interval{0, 21}));
    auto get = records.get(100, 1, *records.find(1), {0, 21});
    REQUIRE(get);
    REQUIRE(records.wait(*get).done());
    REQUIRE(records.shows(100, 1, 1, {0, 21}));

    const record_header before = *records.find(1);
    REQUIRE(records.keep(0, 1, 2, {4, 12}));
    REQUIRE((records.find(1)->tokens == token_interval{4, 12}));
    REQUIRE(records.find(1)->incarnation == incarnation_id{2});
    get = records.get(100, 1, before, {0, 8});  // of the life that is over
    REQUIRE(get);
    REQUIRE(records.wait(*get).why == loss::gone);
    REQUIRE((records.find(1)->tokens == token_interval{4, 12}));
    get = records.get(100, 1, *records.find(1), {4, 12});
    REQUIRE(get);
    REQUIRE(records.wait(*get).done());
    REQUIRE(records.shows(100, 1, 2, {4, 12}));

    for (const auto change : {0, 1, 2}) {                                 // epoch, format, and a gap
      const std::uint64_t life = 3 + static_cast<std::uint64_t>(change);  // one that was erased need not be taken again
      REQUIRE(records.keep(0, 1, life, {0, 8}));
      records.write(0, 1, life, {20, 24});
      record_header other = record_of(life, {20, 24});
      if (change == 0) other.epoch = epoch_id{8};
      if (change == 1) other.format = kv_format{100};
      if (change != 2) other.tokens = {8, 12};
      const auto put = store.put({.id = 1}, other, records.pieces(0, 1), {});
      REQUIRE(put);
      REQUIRE(records.wait(*put).done());
      REQUIRE(*records.find(1) == other);
      store.erase({.id = 1});
    }
  }

  SECTION("of which version a record is, and whether it is of use in part, is kept, and goes with its life")
  {
    record_header first = record_of(0, {0, 8});  // an append part, of what it stands on
    first.version = 0xfedcba9876543210U;
    record_header second = record_of(0, {0, 12});  // a replace part in its place
    second.version = 5;
    second.atomic = true;
    const record_header third = record_of(0, {0, 4});  // and what has neither
    std::uint64_t life = 0;
    for (record_header header : {first, second, third, second, first}) {
      header.incarnation = incarnation_id{++life};
      records.write(0, 1, to_number(header.incarnation), header.tokens);
      const auto put = store.put({.space = 2, .id = 1}, header, records.pieces(0, header.pages().size()), {});
      REQUIRE(put);
      REQUIRE(records.wait(*put).done());
      REQUIRE(*records.find(1, 2) == header);
      if (life == 2) store.erase({.space = 2, .id = 1});
    }
  }

  SECTION("what is erased is not found, and nothing under way brings it back")
  {
    REQUIRE(records.keep(0, 1, 1, {0, 8}));
    REQUIRE(records.keep(0, 2, 1, {0, 8}));
    const record_header header = *records.find(1);
    const auto get = records.get(100, 1, header, {0, 8});
    records.write(8, 1, 1, {8, 16});
    const auto put = records.put(8, 1, 1, {8, 16});
    REQUIRE((get && put));
    store.erase({.id = 1});
    const found_record at_once = store.find({.id = 1});
    REQUIRE(at_once.is != found_record::knowledge::present);
    REQUIRE(records.wait(*get).why != loss::none);
    static_cast<void>(records.wait(*put));
    REQUIRE_FALSE(records.find(1));
    REQUIRE((records.find(2)->tokens == token_interval{0, 8}));
    REQUIRE(records.keep(0, 1, 3, {0, 4}));
    REQUIRE((records.find(1)->tokens == token_interval{0, 4}));
  }

  SECTION("a space of keys is another world")
  {
    REQUIRE(records.keep(0, 1, 1, {0, 8}));
    const found_record other = store.find({.space = 3, .id = 1});
    REQUIRE(other.is != found_record::knowledge::present);
    store.erase({.space = 3, .id = 1});
    REQUIRE(records.find(1));
  }

  if constexpr (holds_streams<device_bed<Device>>) {
    SECTION("I/Os begin when they may, never wait, and are bounded")
    {
      const stream_id stream = d.create_stream("before");
      std::vector<store_promise> all;
      {
        gate_keeper keeper = bed.hold(stream);
        const fence ready = d.record(stream);
        records.write(0, 0, 1, {0, 4});
        for (std::uint64_t id = 0; id < 100'000; ++id) {
          const auto put = records.put(0, id, 1, {0, 4}, 0, ready);
          if (!put) break;
          all.push_back(*put);
        }
        REQUIRE(!all.empty());
        REQUIRE(all.size() < 100'000);
        REQUIRE_FALSE(store.ask({.id = 1}));
        REQUIRE_FALSE(store.flush());
        REQUIRE_FALSE(records.get(9, 1, record_of(1, {0, 4}), {0, 4}));
        for (const store_promise& one : all) REQUIRE_FALSE(store.poll(one));
        records.write(0, 0, 1, {0, 4});  // what is put is what is there then
        keeper.open();
      }
      for (const store_promise& one : all) REQUIRE(records.wait(one).done());
      const auto get = records.get(9, 0, *records.find(0), {0, 4});
      REQUIRE(get);
      REQUIRE(records.wait(*get).done());
      REQUIRE(records.shows(9, 0, 1, {0, 4}));
    }
  }

  SECTION("a flush is a promise like others")
  {
    REQUIRE(records.keep(0, 1, 1, {0, 8}));
    const auto all = store.flush();
    REQUIRE(all);
    REQUIRE(records.wait(*all).done());
    REQUIRE(records.find(1));
  }

  SECTION("what is given up touches nothing any more")
  {
    REQUIRE(records.keep(0, 1, 1, {0, 64}));
    for (int i = 0; i < 20; ++i) {
      const auto get = records.get(100, 1, *records.find(1), {0, 64});
      REQUIRE(get);
      store.give_up_sync(*get);
      std::memset(records.page(100), i, 16 * record_page_bytes);
      if constexpr (device_bed<Device>::is_virtual) d.advance_host(1);
      d.wait_sync(get->point);
      REQUIRE(std::all_of(records.page(100), records.page(116), [i](std::byte b) { return b == std::byte(i); }));
    }
  }

  SECTION("a store that is closed has ended everything and takes nothing")
  {
    REQUIRE(records.keep(0, 1, 1, {0, 8}));
    const record_header header = *records.find(1);
    const auto get = records.get(100, 1, header, {0, 8});
    const auto put = records.put(0, 2, 1, {0, 8});
    REQUIRE((get && put));
    store.close();
    static_cast<void>(records.wait(*get));
    static_cast<void>(records.wait(*put));
    REQUIRE(store.find({.id = 1}).is == found_record::knowledge::absent);
    REQUIRE_FALSE(store.ask({.id = 1}));
    REQUIRE_FALSE(store.flush());
    REQUIRE_FALSE(records.put(0, 2, 1, {0, 8}));
    REQUIRE_FALSE(records.get(0, 1, header, {0, 8}));
    store.erase({.id = 1});
    store.close();
  }

  SECTION("random puts, gets and erasures against maps of tokens")
  {
    struct life
    {
      std::uint64_t number = 0;
      token_interval tokens;  ///< of all puts together
      token_interval last;    ///< of the newest
    };
    // Puts that are under way at once end in any order, and where one of the midst comes last there was a gap meanwhile.
    const auto may_be = [](token_interval found, const life& mine) {
      return mine.tokens.contains(found) && found.contains(mine.last);
    };
    std::uint64_t checked = 0;
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      std::mt19937 random(seed);
      const auto below = [&random](std::uint64_t n) { return random() % n; };
      std::map<std::uint64_t, life> known;
      struct open_io
      {
        store_promise promise;
        std::uint64_t id = 0;
        std::size_t slot = 0;  // 16 pages each
        life of;               // a get
        bool is_get = false;
        bool erased = false;
      };
      std::vector<open_io> open;
      std::vector<std::size_t> free_slots;
      for (std::size_t i = 0; i < 16; ++i) free_slots.push_back(i);
      std::uint64_t lives = 100 + seed * 1000;
      const auto end_one = [&](std::size_t at) {
        const open_io io = open[at];
        const store_outcome out = records.wait(io.promise);
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
        free_slots.push_back(io.slot);
        if (!io.is_get) {
          REQUIRE(out.done());
          return;
        }
        if (io.erased) REQUIRE_FALSE(out.done());
        if (!out.done()) return;
        ++checked;
        REQUIRE(records.shows(io.slot * 16, io.id, io.of.number, io.of.tokens));
      };
      for (int step = 0; step < 300; ++step) {
        CAPTURE(seed, step);
        const std::uint64_t id = 500 + below(6) + seed * 10;
        const bool busy = std::any_of(open.begin(), open.end(), [id](const open_io& io) { return io.id == id; });
        switch (below(5)) {
          case 0:
          case 1: {  // a put: side by side with what is there, or of a new life
            if (free_slots.empty()) break;
            life mine = known.contains(id) ? known.at(id) : life{};
            if (mine.number == 0 || below(4) == 0) mine = {++lives, {}, {}};
            const token_count begin = mine.tokens.empty() ? record_page * static_cast<token_count>(below(3))
                                                          : mine.tokens.end - mine.tokens.end % record_page;
            const token_interval tokens{begin, begin + 1 + static_cast<token_count>(below(14))};
            if (tokens.end > 200) break;
            records.write(free_slots.back() * 16, id, mine.number, tokens);
            const auto put = records.put(free_slots.back() * 16, id, mine.number, tokens, below(3));
            if (!put) break;
            mine.tokens = hull(mine.tokens, tokens);
            mine.last = tokens;
            known[id] = mine;
            open.push_back({*put, id, free_slots.back(), {}, false, false});
            free_slots.pop_back();
            break;
          }
          case 2: {  // a get of what is there, once all puts of it are over
            if (free_slots.empty() || busy) break;
            if (store.find({.id = id}).is == found_record::knowledge::unknown) {  // there must be room to ask
              while (!open.empty()) end_one(0);
            }
            const auto found = records.find(id);
            const auto mine = known.find(id);
            REQUIRE(found.has_value() == (mine != known.end()));
            if (!found) break;
            REQUIRE(to_number(found->incarnation) == mine->second.number);
            REQUIRE(may_be(found->tokens, mine->second));
            const token_count begin = found->tokens.begin + static_cast<token_count>(below(found->tokens.size()));
            const token_interval wanted{begin,
                                        std::min(begin + 1 + static_cast<token_count>(below(50)), found->tokens.end)};
            const auto get = records.get(free_slots.back() * 16, id, *found, wanted, below(3));
            if (!get) break;
            open.push_back({*get, id, free_slots.back(), {mine->second.number, wanted, {}}, true, false});
            free_slots.pop_back();
            break;
          }
          case 3:
            if (below(4) != 0) break;
            store.erase({.id = id});
            known.erase(id);
            for (open_io& io : open) io.erased = io.erased || io.id == id;
            break;
          default:
            if (!open.empty()) end_one(below(open.size()));
        }
      }
      while (!open.empty()) end_one(below(open.size()));
      for (const auto& [id, mine] : known) {
        CAPTURE(seed, id);
        const auto found = records.find(id);
        REQUIRE(found.has_value());
        REQUIRE(to_number(found->incarnation) == mine.number);
        REQUIRE(may_be(found->tokens, mine));
      }
    }
    REQUIRE(checked != 0);
    REQUIRE(bed.orderly());
  }
}

}  // namespace kvstrata_test
