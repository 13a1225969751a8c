// Holds a codec to what codec/concepts.hpp says of it: one suite for page coders, one for body coders. A test case calls
// check_page_coder or check_body_coder, for every shape and configuration that its codec knows, with pieces of values that
// it is made for (drawn by seed) and, where it is lossy, what may come back.
#pragma once

#include "codec/guarded_bytes.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"

#include <kvstrata/codec/code_pieces.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace kvstrata_test {

struct codec_values
{
  /// Fills a piece with values that have a code.
  std::function<void(guarded_bytes& raw, unsigned seed)> draw;
  /// Of a lossy codec: may `back` have become of `raw`? Empty: it must be equal.
  std::function<bool(const guarded_bytes& raw, const guarded_bytes& back)> may_become;

  [[nodiscard]] bool fits(const guarded_bytes& raw, const guarded_bytes& back) const
  {
    return may_become ? may_become(raw, back) : raw == back;
  }
};

/// What is no code: it may decode to anything, but `raw` is written only by what was found to be well-formed.
template <class Decode>
void decode_what_may_be_malformed(const guarded_bytes& code, std::size_t raw_bytes, Decode&& decode)
{
  guarded_bytes raw(raw_bytes, std::byte{0x5C});
  const bool is_coded = decode(code, raw);
  if (!is_coded && !raw.is_all(std::byte{0x5C})) FAIL("what is malformed was written");
  if (!raw.is_intact() || !code.is_intact()) FAIL("bytes beside the piece or its code were written");
}

/// Calls visit(code) with codes that nobody wrote, and with `code` after one of its bytes changed: of long codes not each.
template <class Visit>
void each_spoilt_code(const guarded_bytes& code, Visit&& visit)
{
  guarded_bytes spoilt(code.size());
  for (const int value : {0x00, 0xFF, 0x01, 0x10, 0x11, 0x63}) {
    spoilt.fill(static_cast<std::byte>(value));
    visit(spoilt);
  }
  for (unsigned seed = 1; seed <= 20; ++seed) {
    spoilt.fill_with_noise(seed);
    visit(spoilt);
    std::copy_n(code.data(), (std::min)(code.size(), std::size_t{8} * seed),
                spoilt.data());  // behind a head that is right
    visit(spoilt);
  }
  std::copy_n(code.data(), code.size(), spoilt.data());
  const std::size_t most = effort * (std::size_t{2} << 20) / (code.size() + 1000);
  const std::size_t step = code.size() <= most ? 1 : code.size() / most | 1;
  for (std::size_t at = 0; at < code.size(); at += at < 128 ? 1 : step) {
    for (const std::byte change : {std::byte{0x01}, std::byte{0x80}, std::byte{0xFF}}) {
      spoilt.data()[at] ^= change;
      visit(spoilt);
      spoilt.data()[at] = code.data()[at];
    }
  }
}

namespace parts {

template <kvstrata::page_coder K>
guarded_bytes encoded(const K& coder, const guarded_bytes& raw)
{
  guarded_bytes code(coder.code_bytes());
  for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
    if (coder.encode(unit, raw.data(), code.data()) != kvstrata::unit_kind::coded)
      FAIL("unit " << unit << " has no code");
    if (coder.kind_of(unit, code.data()) != kvstrata::unit_kind::coded)
      FAIL("the head of unit " << unit << " hides it");
  }
  if (!code.is_intact()) FAIL("bytes beside the code were written");
  return code;
}

template <kvstrata::page_coder K>
void there_and_back(const K& coder, std::size_t bytes, const codec_values& values)
{
  for (unsigned seed = 1; seed <= 3; ++seed) {
    guarded_bytes raw(bytes);
    values.draw(raw, seed);
    const guarded_bytes before = raw;
    const guarded_bytes code = encoded(coder, raw);
    CHECK(raw == before);

    // Each unit by itself, in any order, whatever lay there.
    guarded_bytes other(coder.code_bytes(), std::byte{0x17});
    guarded_bytes back(bytes);
    for (std::uint32_t unit = coder.units(); unit-- > 0;) {
      CHECK(coder.encode(unit, raw.data(), other.data()) == kvstrata::unit_kind::coded);
      CHECK(coder.decode(unit, other.data(), back.data()) == kvstrata::unit_kind::coded);
    }
    CHECK(other == code);
    CHECK(back.is_intact());
    CHECK(values.fits(raw, back));
  }
}

template <kvstrata::page_coder K>
void marks(const K& coder, std::size_t bytes, const codec_values& values)
{
  guarded_bytes raw(bytes);
  values.draw(raw, 1);
  guarded_bytes code = encoded(coder, raw);
  for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
    coder.mark_raw(unit, code.data());
    CHECK(coder.kind_of(unit, code.data()) == kvstrata::unit_kind::raw);
    guarded_bytes back(bytes, std::byte{0x5C});
    CHECK(coder.decode(unit, code.data(), back.data()) == kvstrata::unit_kind::raw);
    CHECK(back.is_all(std::byte{0x5C}));
  }
  CHECK(code.is_intact());

  // The units' raw bytes are the piece, each byte once.
  guarded_bytes to(bytes, std::byte{0});
  std::size_t moved = 0;
  for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
    guarded_bytes ones(bytes, std::byte{1});
    guarded_bytes alone(bytes, std::byte{0});
    coder.copy_raw(unit, ones.data(), alone.data());
    for (std::size_t i = 0; i < bytes; ++i) moved += std::to_integer<std::size_t>(alone.data()[i]);
    CHECK(alone.is_intact());
    coder.copy_raw(unit, raw.data(), to.data());
  }
  CHECK(moved == bytes);
  CHECK(to == raw);
}

/// Any pattern of 16 bits anywhere: coded or kept elsewhere, what is not lossy comes back.
template <kvstrata::list_coder K>
void any_values(const K& coder, std::size_t bytes, const codec_values& values)
{
  for (unsigned round = 0; round < 8U * effort; ++round) {
    guarded_bytes raw(bytes), code(coder.code_bytes()), elsewhere(bytes), back(bytes);
    for (std::size_t i = 0; i < bytes; i += 2) {
      const auto pattern = static_cast<std::uint16_t>(i / 2 * 40503 + round * 8209U);
      std::memcpy(raw.data() + i, &pattern, (std::min)(bytes - i, sizeof(pattern)));
    }
    if (round % 2 != 0) {  // one unit that is like no other
      guarded_bytes common(bytes);
      values.draw(common, round);
      for (std::uint32_t unit = round % coder.units(); unit < coder.units(); unit += 2) {
        coder.copy_raw(unit, common.data(), raw.data());
      }
    }
    const kvstrata::code_piece piece{raw.data(), code.data(), elsewhere.data(), true};
    const auto encoded = kvstrata::encode_pieces(coder, {&piece, 1});
    const kvstrata::code_piece there{back.data(), code.data(), elsewhere.data(), true};
    const auto decoded = kvstrata::decode_pieces(coder, {&there, 1});
    CHECK(encoded == decoded);
    CHECK(decoded.faults == 0);
    if (!values.may_become) CHECK(back == raw);
    for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
      if (coder.kind_of(unit, code.data()) == kvstrata::unit_kind::coded) continue;
      guarded_bytes expected(bytes, std::byte{0}), got(bytes, std::byte{0});
      coder.copy_raw(unit, raw.data(), expected.data());
      coder.copy_raw(unit, back.data(), got.data());
      CHECK(got == expected);
    }
    CHECK((code.is_intact() && elsewhere.is_intact() && back.is_intact()));
  }
}

template <kvstrata::list_coder K>
void lists(const K& coder, std::size_t bytes, const codec_values& values)
{
  guarded_bytes raw(bytes), code(coder.code_bytes()), elsewhere(bytes), back(bytes);
  values.draw(raw, 1);
  const std::uint32_t units = coder.units();
  kvstrata::code_piece piece{raw.data(), code.data(), nullptr, true};
  CHECK(kvstrata::encode_pieces(coder, {&piece, 1}) == kvstrata::code_counts{});
  piece.raw = back.data();
  CHECK(kvstrata::decode_pieces(coder, {&piece, 1}) == kvstrata::code_counts{});
  CHECK(values.fits(raw, back));

  // Not whole: as it is, elsewhere.
  piece = {raw.data(), code.data(), elsewhere.data(), false};
  CHECK(kvstrata::encode_pieces(coder, {&piece, 1}) == kvstrata::code_counts{.raw = units, .faults = 0});
  CHECK(elsewhere == raw);
  back.fill(std::byte{0});
  piece.raw = back.data();
  CHECK(kvstrata::decode_pieces(coder, {&piece, 1}) == kvstrata::code_counts{.raw = units, .faults = 0});
  CHECK(back == raw);

  // There is no elsewhere, or nobody wrote the code: poison.
  piece.elsewhere = nullptr;
  CHECK(kvstrata::decode_pieces(coder, {&piece, 1}) == kvstrata::code_counts{.raw = units, .faults = units});
  CHECK(back.is_all(kvstrata::code_poison));
  back.fill(std::byte{0});
  code.fill(std::byte{0});
  CHECK(kvstrata::decode_pieces(coder, {&piece, 1}) == kvstrata::code_counts{.raw = 0, .faults = units});
  CHECK(back.is_all(kvstrata::code_poison));
  CHECK((code.is_intact() && back.is_intact() && elsewhere.is_intact()));
}

template <kvstrata::page_coder K>
void malformed(const K& coder, std::size_t bytes, const codec_values& values)
{
  guarded_bytes raw(bytes);
  values.draw(raw, 1);
  each_spoilt_code(encoded(coder, raw), [&](const guarded_bytes& code) {
    decode_what_may_be_malformed(code, bytes, [&](const guarded_bytes& from, guarded_bytes& to) {
      bool is_coded = false;
      for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
        const kvstrata::unit_kind said = coder.kind_of(unit, from.data());
        const kvstrata::unit_kind was = coder.decode(unit, from.data(), to.data());
        if (was != said && was != kvstrata::unit_kind::malformed) FAIL("unit " << unit << " is not what its head says");
        is_coded = is_coded || was == kvstrata::unit_kind::coded;
      }
      return is_coded;
    });
  });
}

}  // namespace parts

/// `bytes` of a piece.
template <kvstrata::list_coder K>
void check_page_coder(const K& coder, std::size_t bytes, const codec_values& values)
{
  REQUIRE(coder.units() != 0);
  REQUIRE(coder.code_bytes() % 16 == 0);
  parts::there_and_back(coder, bytes, values);
  parts::marks(coder, bytes, values);
  parts::any_values(coder, bytes, values);
  parts::lists(coder, bytes, values);
  parts::malformed(coder, bytes, values);
}

template <kvstrata::body_coder K>
void check_body_coder(const K& coder, std::size_t bytes, const codec_values& values)
{
  const auto encoded = [&](const guarded_bytes& raw) {
    guarded_bytes room(coder.most_bytes());
    const std::size_t size = coder.encode(raw.span(), room.span());
    if (size > room.size() || !room.is_intact())
      FAIL("a code of " << size << " bytes, but there may be " << room.size());
    guarded_bytes code(size);
    std::copy_n(room.data(), size, code.data());
    return code;
  };
  const auto decodes = [&](const guarded_bytes& code, guarded_bytes& raw) {
    return coder.decode(code.span(), raw.span());
  };

  for (unsigned seed = 1; seed <= 6; ++seed) {
    guarded_bytes raw(bytes), back(bytes);
    if (seed % 2 != 0) values.draw(raw, seed);
    else raw.fill_with_noise(seed);
    const guarded_bytes code = encoded(raw);
    REQUIRE(decodes(code, back));
    CHECK(back.is_intact());
    if (seed % 2 != 0 || !values.may_become) CHECK(values.fits(raw, back));
  }

  guarded_bytes raw(bytes);
  values.draw(raw, 1);
  const guarded_bytes code = encoded(raw);
  const std::size_t step = code.size() * code.size() / (effort * (std::size_t{8} << 20)) + 1;
  for (std::size_t size = 0; size < code.size(); size += size + 64 < code.size() && size > 64 ? step : 1) {
    guarded_bytes cut(size);
    std::copy_n(code.data(), size, cut.data());
    decode_what_may_be_malformed(cut, bytes, [&](const guarded_bytes& from, guarded_bytes& to) {
      if (decodes(from, to)) FAIL(size << " bytes of a code of " << code.size() << " were taken for one");
      return false;
    });
  }
  guarded_bytes longer(code.size() + 1, std::byte{0});
  std::copy_n(code.data(), code.size(), longer.data());
  guarded_bytes back(bytes);
  CHECK_FALSE(decodes(longer, back));
  each_spoilt_code(code, [&](const guarded_bytes& spoilt) { decode_what_may_be_malformed(spoilt, bytes, decodes); });
}

}  // namespace kvstrata_test
