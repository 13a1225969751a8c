// Heads of values, manifests, and how puts join them: written, read back, damaged, and compared to plain maps of pages.
#include "support/catch.hpp"

#include <kvstrata/tiers/redis/books/join_put.hpp>
#include <kvstrata/tiers/redis/format/manifest.hpp>
#include <kvstrata/tiers/redis/format/pieces.hpp>
#include <kvstrata/tiers/redis/format/value_head.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <random>
#include <span>
#include <utility>
#include <vector>

using namespace kvstrata;
using namespace kvstrata::redis;

namespace {

record_header header_of(std::uint64_t life, token_interval tokens, std::uint64_t epoch = 7)
{
  return {.incarnation = incarnation_id{life},
          .epoch = epoch_id{epoch},
          .format = kv_format{99},
          .page_tokens = 4,
          .tokens = tokens,
          .first_token = 3,
          .earlier_until = 2,
          .vouched_tokens = 5,
          .vouched_hash = 0x1122334455667788U,
          .stretch_stride = 6,
          .stretch_end = 8,
          .stretch_hash = 0x99aabbccddeeff00U,
          .inexact_from = 77};
}

/// The same of a part, which has a version, and of use as a whole or not.
record_header versioned(record_header header, std::uint64_t version, bool atomic)
{
  header.version = version;
  header.atomic = atomic;
  return header;
}

value_head head_of(std::uint64_t life = 5)
{
  return {.key = {.space = 3, .id = 0xabcdef0123456789U},
          .header = header_of(life, {4, 30}),
          .number = 1234567890123U,
          .codec = 0,
          .page_bytes = 512,
          .layers = 4,
          .layer = 2,
          .piece = 1,
          .begin = 320,
          .bytes = 100,
          .crc = 0xdeadbeef};
}

new_put put_of(std::uint64_t number, const record_header& header, std::uint64_t seen = 0)
{
  return {.key = {.id = 1},
          .header = header,
          .number = number,
          .seen = seen,
          .page_bytes = 64,
          .layers = 2,
          .value_bytes = 4032};
}

}  // namespace

TEST_CASE("a value's head comes back, and no other byte of it does")
{
  std::array<std::byte, value_head_bytes> bytes{};
  encode(head_of(), bytes);
  REQUIRE(decode_value_head(bytes) == head_of());
  REQUIRE(std::memcmp(bytes.data(), "KKVVALUE", 8) == 0);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const unsigned bit : {0U, 3U, 7U}) {
      bytes[i] ^= std::byte{1} << bit;
      REQUIRE_FALSE(decode_value_head(bytes));
      bytes[i] ^= std::byte{1} << bit;
    }
  }
  bytes.fill(std::byte{0});
  REQUIRE_FALSE(decode_value_head(bytes));
}

TEST_CASE("what stands on a version, or is atomic, says so, in a format that older programs take for nobody's")
{
  const auto format_in = [](std::span<const std::byte> bytes) {
    static_assert(at_value::version.at == at_manifest::version.at);
    return stores::load(bytes.data(), at_value::version);
  };
  for (const auto& [version, atomic] : {std::pair{std::uint64_t{0}, false},
                                        {std::uint64_t{0x8877665544332211U}, false},
                                        {std::uint64_t{0}, true},
                                        {std::uint64_t{6}, true}}) {
    CAPTURE(version, atomic);
    const std::uint32_t format = version != 0 || atomic ? 2 : 1;
    value_head head = head_of();
    head.header = versioned(head.header, version, atomic);
    std::array<std::byte, value_head_bytes> bytes{};
    encode(head, bytes);
    REQUIRE(decode_value_head(bytes) == head);
    REQUIRE(format_in(bytes) == format);
    const manifest whole = join_put(std::nullopt, put_of(10, versioned(header_of(1, {0, 9}), version, atomic))).next;
    const std::vector<std::byte> row = encode(whole);
    REQUIRE(decode_manifest(row) == whole);
    REQUIRE(decode_manifest(row)->header.version == version);
    REQUIRE(decode_manifest(row)->header.atomic == atomic);
    REQUIRE(format_in(row) == format);
  }
}

TEST_CASE("a value of another sequence, epoch, life, put, geometry or place is not what was expected")
{
  const value_head mine = head_of();
  REQUIRE(is_expected(mine, mine));
  const auto differs = [&](auto&& change) {
    value_head other = mine;
    change(other);
    return !is_expected(other, mine);
  };
  REQUIRE(differs([](value_head& h) { h.key.id ^= 1; }));
  REQUIRE(differs([](value_head& h) { h.key.space = 0; }));
  REQUIRE(differs([](value_head& h) { h.header.epoch = epoch_id{6}; }));
  REQUIRE(differs([](value_head& h) { h.header.incarnation = incarnation_id{6}; }));
  REQUIRE(differs([](value_head& h) { h.header.format = kv_format{1}; }));
  REQUIRE(differs([](value_head& h) { h.header.page_tokens = 8; }));
  REQUIRE(differs([](value_head& h) { --h.number; }));
  REQUIRE(differs([](value_head& h) { h.codec = 9; }));
  REQUIRE(differs([](value_head& h) { h.page_bytes *= 2; }));
  REQUIRE(differs([](value_head& h) { h.layers = 8; }));
  REQUIRE(differs([](value_head& h) { h.layer = 1; }));
  REQUIRE(differs([](value_head& h) { h.piece = 0; }));
  REQUIRE(differs([](value_head& h) { h.begin = 0; }));
  REQUIRE(differs([](value_head& h) { --h.bytes; }));
  REQUIRE_FALSE(differs([](value_head& h) { h.crc = 0; }));
}

TEST_CASE("pieces are all bytes of a layer, once, and values of 2^n - 64 where they are whole")
{
  for (const std::uint32_t value : {4096U - 64, 65536U - 64}) {
    for (page_count pages = 1; pages < 70; ++pages) {
      const layer_cut cut = cut_of(pages, 8192, 4, value, 0);
      std::uint64_t at = 0;
      for (std::uint32_t piece = 0; piece < cut.pieces(); ++piece) {
        REQUIRE(cut.begin_of(piece) == at);
        REQUIRE(cut.bytes_of(piece) != 0);
        if (piece + 1 < cut.pieces()) REQUIRE(cut.bytes_of(piece) + value_head_bytes == value);
        for (const std::uint64_t byte : {at, at + cut.bytes_of(piece) - 1}) REQUIRE(cut.piece_at(byte) == piece);
        at += cut.bytes_of(piece);
      }
      REQUIRE(at == std::uint64_t{pages} * 2048);
    }
  }
}

TEST_CASE("values whose bodies are encoded have whole pages, which fit as they are, and a format of their own")
{
  for (const std::uint32_t value : {4096U - 64, 65536U - 64}) {
    for (page_count pages = 1; pages < 70; ++pages) {
      const layer_cut cut = cut_of(pages, 8192, 4, value, 77);
      std::uint64_t at = 0;
      for (std::uint32_t piece = 0; piece < cut.pieces(); ++piece) {
        REQUIRE(cut.begin_of(piece) == at);
        REQUIRE(cut.bytes_of(piece) != 0);
        REQUIRE(cut.bytes_of(piece) % 2048 == 0);
        const std::uint32_t count = cut.bytes_of(piece) / 2048;
        REQUIRE(value_head_bytes + stores::most_part_bytes(count, 2048) <= value);
        if (piece + 1 < cut.pieces()) REQUIRE(value_head_bytes + stores::most_part_bytes(count + 1, 2048) > value);
        at += cut.bytes_of(piece);
      }
      REQUIRE(at == std::uint64_t{pages} * 2048);
    }
  }
  value_head head = head_of();
  head.codec = 77;
  std::array<std::byte, value_head_bytes> bytes{};
  encode(head, bytes);
  REQUIRE(decode_value_head(bytes) == head);
  REQUIRE(stores::load(bytes.data(), at_value::version) == 3);
  value_head shorter = head, longer = head;
  --shorter.bytes;
  ++longer.bytes;
  REQUIRE(is_expected(shorter, head));
  REQUIRE_FALSE(is_expected(longer, head));
  new_put put = put_of(10, header_of(1, {0, 9}));
  put.codec = 77;
  const manifest coded = join_put(std::nullopt, put).next;
  REQUIRE(coded.codec == 77);
  const std::vector<std::byte> row = encode(coded);
  REQUIRE(decode_manifest(row) == coded);
  REQUIRE(stores::load(row.data(), at_manifest::version) == 3);
  // Of one life, but not by one codec: they do not join, and what was there is let go.
  const joined_put other = join_put(coded, put_of(11, header_of(1, {8, 16})));
  REQUIRE(other.verdict == put_verdict::joins);
  REQUIRE(other.next.puts.size() == 1);
  REQUIRE(other.next.codec == 0);
  REQUIRE(other.left.puts.size() == 1);
  REQUIRE(other.left.codec == 77);
  REQUIRE(emptied(coded, 12).codec == 0);
}

TEST_CASE("a manifest comes back; damaged, cut or contradicting itself it is none")
{
  auto state = std::optional(join_put(std::nullopt, put_of(10, header_of(1, {0, 9}))).next);
  state = join_put(state, put_of(11, header_of(1, {8, 21}))).next;
  state = join_put(state, put_of(12, header_of(2, {8, 40}))).next;
  state = join_put(state, put_of(13, header_of(2, {40, 44}))).next;
  REQUIRE(state->puts.size() == 2);
  REQUIRE(state->past_lives == std::vector{life_number(header_of(1, {}))});
  const std::vector<std::byte> bytes = encode(*state);
  REQUIRE(decode_manifest(bytes) == state);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    REQUIRE_FALSE(decode_manifest(std::span(bytes).first(n)));
    std::vector<std::byte> bad = bytes;
    bad[n] ^= std::byte{4};
    REQUIRE_FALSE(decode_manifest(bad));
  }
  // With good checksums, and nonsense in it.
  std::mt19937 random(3);
  std::uint32_t taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> bad = bytes;
    bad[random() % (bad.size() - 4)] = static_cast<std::byte>(random());
    stores::store(bad.data(), stores::field32{bad.size() - 4}, stores::crc32c(std::span(bad).first(bad.size() - 4)));
    const auto got = decode_manifest(bad);
    if (!got) continue;
    ++taken;  // another number, or hash: it holds together all the same
    REQUIRE(got->puts.front().used.begin == got->header.pages().begin);
    REQUIRE(got->puts.back().used.end == got->header.pages().end);
    for (const put_pages& p : got->puts) {
      REQUIRE((p.put.begin <= p.used.begin && p.used.begin < p.used.end && p.used.end <= p.put.end));
    }
  }
  REQUIRE(taken > 1000);
  std::vector<std::byte> noise(500);
  for (int i = 0; i < 10'000; ++i) {
    for (std::byte& b : noise) b = static_cast<std::byte>(random());
    if (i % 2 == 0) std::memcpy(noise.data(), bytes.data(), 64);
    REQUIRE_FALSE(decode_manifest(noise));
  }
}

TEST_CASE("puts join a manifest as records do: against a map of pages")
{
  std::mt19937 random(11);
  const auto below = [&random](std::uint64_t n) { return static_cast<token_count>(random() % n); };
  for (int round = 0; round < 300; ++round) {
    std::optional<manifest> state;
    record_header was;
    std::map<page_count, std::uint64_t> pages;  // who gave each
    std::uint64_t life = 1;
    for (std::uint64_t number = 100; number < 130; ++number) {
      if (below(6) == 0) ++life;
      const token_count begin = below(40);
      const record_header header = header_of(life, {begin, begin + 1 + below(30)});
      const joined_put joined = join_put(state, put_of(number, header));
      REQUIRE(joined.verdict == put_verdict::joins);
      const record_union both = state ? join(was, header) : record_union{header.tokens, header.pages()};
      std::map<page_count, std::uint64_t> after;
      const page_interval all = pages_of(both.tokens, 4);
      for (page_count p = all.begin; p < all.end; ++p) {
        const bool fresh = p >= both.from_fresh.begin && p < both.from_fresh.end;
        after[p] = fresh ? number : pages.at(p);
      }
      REQUIRE(joined.next.header.tokens == both.tokens);
      REQUIRE(joined.next.number >= number);
      REQUIRE(decode_manifest(encode(joined.next)) == joined.next);
      std::map<page_count, std::uint64_t> said;
      for (const put_pages& p : joined.next.puts) {
        for (page_count q = p.used.begin; q < p.used.end; ++q) REQUIRE(said.emplace(q, p.number).second);
      }
      REQUIRE(said == after);
      for (const put_pages& p : joined.left.puts) {  // what is left is nobody's
        for (const auto& [q, giver] : after) REQUIRE(giver != p.number);
      }
      if (state) {  // and all of it is told
        for (const put_pages& p : state->puts) {
          const auto has = [&](const std::vector<put_pages>& list) {
            return std::any_of(list.begin(), list.end(), [&](const put_pages& q) { return q.number == p.number; });
          };
          REQUIRE(has(joined.next.puts) != has(joined.left.puts));
        }
      }
      state = joined.next;
      was = state->header;
      pages = after;
    }
  }
}

TEST_CASE("of two who write one sequence the newer wins, whoever comes last")
{
  auto state = std::optional(join_put(std::nullopt, put_of(10, header_of(1, {0, 8}))).next);
  state = join_put(state, put_of(11, header_of(2, {0, 8}))).next;
  REQUIRE(join_put(state, put_of(12, header_of(1, {8, 12}))).verdict == put_verdict::older_life);
  REQUIRE(join_put(state, put_of(12, header_of(2, {8, 12}))).verdict == put_verdict::joins);
  REQUIRE(join_put(state, put_of(12, header_of(3, {0, 12}, 6))).verdict == put_verdict::older_epoch);
  const joined_put newer = join_put(state, put_of(9, header_of(1, {0, 4}, 8)));
  REQUIRE(newer.verdict == put_verdict::joins);  // the same incarnation under a new model is another life
  REQUIRE(newer.next.number == 12);              // a clock that went back is no reason to go back
  REQUIRE(newer.left.puts.size() == 1);
  for (std::uint64_t life = 3; life < 60; ++life) state = join_put(state, put_of(20, header_of(life, {0, 4}))).next;
  REQUIRE(state->past_lives.size() == most_past_lives);
  REQUIRE(join_put(state, put_of(40, header_of(58, {0, 4}))).verdict == put_verdict::older_life);
}

TEST_CASE("after an erasure only who has heard of it puts")
{
  const auto before = std::optional(join_put(std::nullopt, put_of(10, header_of(1, {0, 8}))).next);
  const manifest none = erased(before, {.id = 1}, 50);
  REQUIRE_FALSE(none.has_tokens());
  REQUIRE(decode_manifest(encode(none)) == none);
  REQUIRE(join_put(none, put_of(51, header_of(3, {8, 12}), 10)).verdict == put_verdict::erased);
  REQUIRE(join_put(none, put_of(51, header_of(2, {0, 12}), 0)).verdict == put_verdict::erased);
  const joined_put after = join_put(none, put_of(51, header_of(2, {0, 12}), 50));
  REQUIRE(after.verdict == put_verdict::joins);
  REQUIRE(after.next.erased_at == 50);
  REQUIRE(join_put(after.next, put_of(52, header_of(3, {0, 8}), 10)).verdict == put_verdict::erased);
  REQUIRE(join_put(after.next, put_of(52, header_of(2, {12, 16}), 0)).verdict == put_verdict::joins);
  const manifest empty = emptied(after.next, 60);
  REQUIRE_FALSE(empty.has_tokens());
  REQUIRE(empty.erased_at == 50);
  REQUIRE(join_put(empty, put_of(61, header_of(2, {0, 8}), 50)).verdict == put_verdict::joins);
  REQUIRE(join_put(empty, put_of(61, header_of(2, {0, 8}, 6), 50)).verdict == put_verdict::older_epoch);
  REQUIRE(erased(std::nullopt, {.id = 1}, 50).erased_at == 50);
}

TEST_CASE("an erasure ends every life that was there, and its manifest stays short")
{
  const auto is_over = [](const manifest& m, std::uint64_t life) {
    return join_put(m, put_of(900, header_of(life, {0, 8}), 900)).verdict == put_verdict::older_life;
  };
  auto state = std::optional(join_put(std::nullopt, put_of(10, header_of(1, {0, 8}))).next);
  state = join_put(state, put_of(11, header_of(2, {0, 8}))).next;
  state = emptied(*state, 12);  // the life goes on without its tokens
  REQUIRE(decode_manifest(encode(*state)) == state);
  REQUIRE(join_put(state, put_of(13, header_of(2, {0, 8}))).verdict == put_verdict::joins);
  REQUIRE(is_over(*state, 1));
  const joined_put third = join_put(state, put_of(13, header_of(3, {0, 8})));
  REQUIRE(third.verdict == put_verdict::joins);
  REQUIRE(is_over(third.next, 2));
  state = erased(state, {.id = 1}, 50);
  REQUIRE(is_over(*state, 1));
  REQUIRE(is_over(*state, 2));
  state = join_put(state, put_of(51, header_of(4, {0, 8}), 50)).next;
  state = erased(state, {.id = 1}, 60);
  state = erased(state, {.id = 1}, 70);
  for (const std::uint64_t life : {1U, 2U, 4U}) REQUIRE(is_over(*state, life));
  REQUIRE(state->past_lives.size() == 3);
  // One that was refused is over, too; not the one that goes on, nor one twice.
  const auto more = without_life(*state, header_of(5, {}), 71);
  REQUIRE(more);
  REQUIRE(more->number == 71);
  REQUIRE(more->erased_at == 70);
  REQUIRE(is_over(*more, 5));
  REQUIRE_FALSE(without_life(*more, header_of(5, {}), 72));
  const manifest sixth = join_put(more, put_of(73, header_of(6, {0, 8}), 70)).next;
  REQUIRE_FALSE(without_life(sixth, header_of(6, {}), 74));
  for (std::uint64_t life = 10; life < 100; ++life) {
    state = join_put(state, put_of(100 + life, header_of(life, {0, 8}), state->number)).next;
    state = erased(state, {.id = 1}, 100 + life);
    REQUIRE(state->past_lives.size() <= most_past_lives);
    REQUIRE(is_over(*state, life));
  }
  REQUIRE(decode_manifest(encode(*state)) == state);
}
