// exp_zstd: no bit is lost, whatever the values; malformed codes write nothing; and what it saves.
#include "codec/values_of_pieces.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/codec/exp_zstd.hpp>

#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace kvstrata_test;
using namespace kvstrata;
using codec::exp_zstd;

std::vector<std::byte> encoded(const exp_zstd::bound& coder, const piece_bytes& raw)
{
  std::vector<std::byte> code(coder.most_bytes() + 8, std::byte{0xa5});
  const std::size_t bytes = coder.encode(raw.span(), std::span(code).first(coder.most_bytes()));
  REQUIRE(bytes <= coder.most_bytes());
  for (std::size_t i = coder.most_bytes(); i < code.size(); ++i) REQUIRE(code[i] == std::byte{0xa5});
  code.resize(bytes);
  return code;
}

/// Returns the bytes of the code.
std::size_t comes_back(const exp_zstd::bound& coder, const piece_bytes& raw)
{
  const std::vector<std::byte> code = encoded(coder, raw);
  piece_bytes back(raw.size() + 16);
  back.fill(0x5a);
  REQUIRE(coder.decode(code, back.span().first(raw.size())));
  REQUIRE((raw.size() == 0 || std::memcmp(back.data(), raw.data(), raw.size()) == 0));
  for (std::size_t i = raw.size(); i < back.size(); ++i) REQUIRE(back.data()[i] == std::byte{0x5a});
  return code.size();
}

const exp_zstd::config configs[] = {{}, {exp_zstd::none}, {381}, {127}, {0}, {511}};

/// How far the exponents of a piece reach: `few` values beside what is drawn.
piece_bytes with_strangers(const piece_shape& shape, std::uint32_t seed, std::size_t few, std::uint32_t mask)
{
  piece_bytes piece = drawn_piece(shape, seed);
  std::mt19937 random(seed);
  const std::size_t size = bytes_of(shape.element);
  for (std::size_t k = 0; k < few; ++k) {
    const auto bits = static_cast<std::uint16_t>(random() & mask);
    const std::size_t at = random() % shape.values();
    std::memcpy(piece.data() + at * size + size - 2, &bits, 2);
  }
  return piece;
}

/// A number of each little-endian field of the head.
void put_number(std::vector<std::byte>& code, std::size_t at, std::uint64_t value, std::size_t bytes)
{
  for (std::size_t i = 0; i < bytes; ++i) code[at + i] = static_cast<std::byte>(value >> (8 * i) & 255U);
}

}  // namespace

TEST_CASE("exp_zstd: all 65,536 patterns come back, in every position of a vector")
{
  // 128 values: 64 that a vector takes, and their neighbours.
  for (const element_type element : {element_type::bf16, element_type::f32}) {
    const piece_shape shape{1, 1, 64, element};
    const exp_zstd::bound coder = exp_zstd::coder(shape, {});
    const std::size_t size = bytes_of(element);
    for (std::uint32_t pattern = 0; pattern < 65'536; pattern += 7) {
      piece_bytes raw = drawn_piece(shape, pattern);
      for (std::size_t i = 0; i < 7 && pattern + i < 65'536; ++i) {
        const auto bits = static_cast<std::uint16_t>(pattern + i);
        std::memcpy(raw.data() + ((pattern + 18 * i) % shape.values()) * size + size - 2, &bits, 2);
      }
      comes_back(coder, raw);
    }
  }
}

TEST_CASE("exp_zstd: a piece of all patterns, NaN payloads and signed zeros among them")
{
  for (const element_type element : {element_type::bf16, element_type::f32}) {
    const piece_shape shape{128, 4, 64, element};
    piece_bytes raw(shape.bytes());
    std::mt19937 random(1);
    for (std::size_t i = 0; i < shape.values(); ++i) {
      const std::uint32_t bits =
          static_cast<std::uint32_t>(i * 40'503U % 65'536U) << 16U | static_cast<std::uint32_t>(random() % 65'536);
      if (element == element_type::f32) std::memcpy(raw.data() + 4 * i, &bits, 4);
      else std::memcpy(raw.data() + 2 * i, reinterpret_cast<const char*>(&bits) + 2, 2);
    }
    for (const exp_zstd::config& told : configs) {
      CHECK(comes_back(exp_zstd::coder(shape, told), raw) == 16 + raw.size());  // noise is kept raw
    }
  }
}

TEST_CASE("exp_zstd: every pattern in every position, where all are nearly alike")
{
  // Alphabets of one and two pairs, crowded or not, and lengths around the vectors'.
  for (std::uint32_t pair = 0; pair < 512; pair += 5) {
    const piece_shape shape{1 + pair % 3, 1, 61 + pair % 70, element_type::bf16};
    piece_bytes raw(shape.bytes());
    for (std::size_t i = 0; i < shape.values(); ++i) {
      const std::size_t mine = i % 11 == 0 ? (pair + 256) % 512 : pair;
      const auto bits = static_cast<std::uint16_t>(mine << 7U | (i * 37 % 128));
      std::memcpy(raw.data() + 2 * i, &bits, 2);
    }
    for (const exp_zstd::config& told :
         {exp_zstd::config{}, exp_zstd::config{exp_zstd::none}, exp_zstd::config{pair}}) {
      comes_back(exp_zstd::coder(shape, told), raw);
    }
  }
}

TEST_CASE("exp_zstd: exponents near and far, more and fewer than there are symbols")
{
  std::uint32_t seed = 2;
  for (const element_type element : {element_type::bf16, element_type::f32}) {
    for (const piece_shape shape : {piece_shape{32, 4, 64, element}, piece_shape{7, 3, 33, element},
                                    piece_shape{1, 1, 1, element}, piece_shape{0, 1, 1, element}}) {
      for (const exp_zstd::config& told : configs) {
        const exp_zstd::bound coder = exp_zstd::coder(shape, told);
        comes_back(coder, drawn_piece(shape, ++seed));
        comes_back(coder, drawn_piece(shape, ++seed, false, 1e20F));
        comes_back(coder, piece_bytes(shape.bytes()));
        if (shape.values() == 0) continue;
        for (const std::size_t few : {1U, 20U, 90U, 200U, 700U, 3'000U}) {
          comes_back(coder, with_strangers(shape, ++seed, few, 0xffff));
          comes_back(coder, with_strangers(shape, ++seed, few, 0x807f));  // zeros and denormals
          comes_back(coder, with_strangers(shape, ++seed, few, 0xbf80));
        }
      }
    }
  }
}

TEST_CASE("exp_zstd: vectors and value by value give the same")
{
  using namespace codec::planes;
  const piece_shape shape{9, 3, 71, element_type::bf16};
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    const piece_bytes raw = with_strangers(shape, seed, seed, seed % 2 == 0 ? 0x8fff : 0x81ff);
    const std::span values{reinterpret_cast<const std::uint16_t*>(raw.data()), shape.values()};
    const pair_counts counts = count_pairs(values);
    const std::uint32_t crowded = seed % 3 == 0 ? no_pair : find_crowded(values, counts);
    pair_set set{};
    for (std::uint32_t pair = 0; pair < pairs; ++pair) {
      if (counts[pair] != 0 && pair != crowded) add(set, pair);
    }
    const alphabet letters = alphabet_of(set, crowded);
    REQUIRE(letters.fits());
    std::vector<std::uint8_t> symbols(values.size() + slack), others(values.size() + slack);
    std::vector<std::uint8_t> rest(values.size() + slack), other_rest(values.size() + slack);
    const std::size_t found = split(values, letters, symbols.data(), rest.data());
    REQUIRE(by_value::split(values, letters, others.data(), other_rest.data()) == found);
    CHECK(std::equal(symbols.begin(), symbols.begin() + static_cast<std::ptrdiff_t>(values.size()), others.begin()));
    CHECK(std::equal(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(found), other_rest.begin()));

    std::vector<std::byte> packed(packed_sevens(found) + 64), other_packed(packed.size());
    std::memset(rest.data() + found, 0, 8);
    pack_sevens(rest.data(), found, packed.data());
    by_value::pack_sevens(rest.data(), found, other_packed.data());
    CHECK(packed == other_packed);
    std::vector<std::uint8_t> unpacked(found + 64), other_unpacked(found + 64);
    unpack_sevens(packed.data(), found, unpacked.data());
    by_value::unpack_sevens(packed.data(), found, other_unpacked.data());
    CHECK(std::equal(unpacked.begin(), unpacked.begin() + static_cast<std::ptrdiff_t>(found), rest.begin()));
    CHECK(unpacked == other_unpacked);

    std::vector<std::uint16_t> back(values.size()), other_back(values.size());
    const std::span plane{symbols.data(), values.size()};
    const found_symbols seen = look_at(plane, letters.plain);
    CHECK(seen.plain == found);
    CHECK(seen.largest < letters.size());
    join(plane, rest.data(), letters, back.data());
    by_value::join(plane, rest.data(), letters, other_back.data());
    CHECK(std::equal(back.begin(), back.end(), values.begin()));
    CHECK(back == other_back);
  }
}

TEST_CASE("exp_zstd: what it saves on pages of a trained model, and of Gaussian values")
{
  const piece_shape whole{128, 4, 64, element_type::bf16};
  const piece_bytes gaussian = drawn_piece(whole, 3, false, 1);
  CHECK(double(gaussian.size()) / double(comes_back(exp_zstd::coder(whole, {}), gaussian)) > 1.50);

  const std::vector<piece_bytes> pieces = trained_pieces();
  if (pieces.empty()) SKIP_TEST("trained_hstu is not on this machine");
  const piece_shape half{16, 4, 64, element_type::bf16};  // as many values as K of a page
  std::size_t raw = 0;
  std::size_t measured = 0;
  std::size_t none = 0;
  for (const piece_bytes& piece : pieces) {
    for (std::size_t side = 0; side < 2; ++side) {
      piece_bytes mine(half.bytes());
      std::memcpy(mine.data(), piece.data() + side * half.bytes(), half.bytes());
      raw += mine.size();
      measured += comes_back(exp_zstd::coder(half, {}), mine);
      none += comes_back(exp_zstd::coder(half, {exp_zstd::none}), mine);
    }
  }
  CHECK(double(raw) / double(measured) > 1.63);
  CHECK(measured < none);
}

TEST_CASE("exp_zstd: codes that are cut short, too long or lie are malformed, and nothing is written")
{
  for (const element_type element : {element_type::bf16, element_type::f32}) {
    const piece_shape shape{4, 1, 70, element};
    const exp_zstd::bound coder = exp_zstd::coder(shape, {381});
    const piece_bytes raw = drawn_piece(shape, 4);
    const std::vector<std::byte> code = encoded(coder, raw);
    REQUIRE(code[2] == std::byte{1});  // by planes
    piece_bytes back(raw.size());
    back.fill(0x5a);
    const piece_bytes untouched = back;
    const auto refused = [&](const std::vector<std::byte>& lie) {
      return !coder.decode(lie, back.span()) && back == untouched;
    };
    for (std::size_t length = 0; length < code.size(); ++length) {
      CAPTURE(length);
      REQUIRE(refused({code.begin(), code.begin() + static_cast<std::ptrdiff_t>(length)}));
    }
    std::vector<std::byte> longer = code;
    longer.push_back(std::byte{0});
    CHECK(refused(longer));
    const auto lying = [&](std::size_t at, std::uint64_t value, std::size_t bytes) {
      std::vector<std::byte> lie = code;
      put_number(lie, at, value, bytes);
      return lie;
    };
    CHECK(refused(lying(0, 0x7b, 1)));
    CHECK(refused(lying(1, 2, 1)));
    CHECK(refused(lying(2, 0, 1)));
    CHECK(refused(lying(2, 2, 1)));
    CHECK(refused(lying(3, static_cast<std::uint64_t>(element_type::f16), 1)));
    CHECK(refused(lying(4, shape.values() + 1, 4)));
    CHECK(refused(lying(4, 0xffff'ffff, 4)));
    for (const std::uint32_t frame : {0U, 1U, 0x7fff'ffffU, 0xffff'ffffU}) CHECK(refused(lying(8, frame, 4)));
    CHECK(refused(lying(12, 512, 2)));
    CHECK(refused(lying(12, exp_zstd::none, 2)));  // symbols that are nothing's
    CHECK(refused(lying(14, 255, 1)));             // exponents beyond 255
    CHECK(refused(lying(15, 255, 1)));
    const std::size_t pairs = (2 * (std::to_integer<std::size_t>(code[15]) + 1) + 7) / 8;
    CHECK(refused(lying(16, 0, pairs)));  // symbols without a pair
    std::vector<std::byte> all = code;
    for (std::size_t i = 0; i < pairs; ++i) all[16 + i] = std::byte{0xff};
    CHECK(refused(all));  // the crowded pair as a plain one, too; a bit too many

    // Any byte flipped: refused, or other values; never beyond the piece. (Address sanitizers look on.)
    for (std::size_t at = 0; at < code.size(); ++at) {
      std::vector<std::byte> lie = code;
      lie[at] ^= std::byte{0x41};
      if (!coder.decode(lie, back.span())) REQUIRE(back == untouched);
      back.fill(0x5a);
    }
  }
}

TEST_CASE("exp_zstd: a raw code that is not what it says is malformed")
{
  const piece_shape shape{1, 1, 8, element_type::bf16};
  const exp_zstd::bound coder = exp_zstd::coder(shape, {});
  const piece_bytes raw = drawn_piece(shape, 5);
  const std::vector<std::byte> code = encoded(coder, raw);
  REQUIRE(code[2] == std::byte{0});
  piece_bytes back(raw.size());
  for (std::size_t at = 8; at < 16; ++at) {
    std::vector<std::byte> lie = code;
    lie[at] = std::byte{1};
    CHECK(!coder.decode(lie, back.span()));
  }
  CHECK(!coder.decode(std::span(code).first(code.size() - 1), back.span()));
  CHECK(coder.decode(code, back.span()));
}

TEST_CASE("exp_zstd: threads have contexts of their own")
{
  const piece_shape shape{16, 2, 32, element_type::bf16};
  const exp_zstd::bound coder = exp_zstd::coder(shape, {});
  std::vector<int> good(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::byte> code(coder.most_bytes());
      for (std::uint32_t round = 0; round < 50; ++round) {
        const piece_bytes raw = drawn_piece(shape, round + 100 * static_cast<std::uint32_t>(t));
        const std::size_t bytes = coder.encode(raw.span(), code);
        piece_bytes back(raw.size());
        if (coder.decode(std::span(code).first(bytes), back.span()) && back == raw) ++good[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == std::vector<int>(4, 50));
}

TEST_CASE("exp_zstd refuses what it does not know in a sentence")
{
  const auto refusal = [](const piece_shape& shape, const exp_zstd::config& told = {}) {
    return sentence_of<config_error>([&] { static_cast<void>(exp_zstd::coder(shape, told)); });
  };
  CHECK(refusal({4, 1, 8, element_type::f16}) ==
        "geometry.element is f16, but exp_zstd takes the exponents of bf16 and f32 out of values, and knows no others; "
        "use another codec, or none");
  CHECK(refusal({1U << 20U, 64, 64, element_type::f32}) ==
        "bytes of a piece is 34359738368, but exp_zstd encodes at most 2^30 at a time; use smaller pages");
  CHECK(refusal({4, 1, 8, element_type::bf16}, {512}) ==
        "exp_zstd.crowded is 512, but it is sign * 256 + exponent, so at most 511, or exp_zstd::measured or "
        "exp_zstd::none");
}
