// How fast, on one core, beside memcpy of the same raw bytes, pair by pair.
#pragma once

#include "support/codec/any_body.hpp"
#include "support/codec/ratios.hpp"
#include "support/paired.hpp"
#include "support/target.hpp"

#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace codec_bench {

struct speed
{
  bench::paired_seconds encode, decode;
};

inline void print_speed(const std::string& name, const speed& s, double bytes)
{
  const double gb = bytes / 1e9;
  std::printf("  %-40s %6.2f (%4.2f of memcpy, %4.2f to %4.2f)  %6.2f (%4.2f of memcpy, %4.2f to %4.2f)\n",
              name.c_str(), gb / s.encode.subject.median, s.encode.ratio.median, s.encode.ratio.low,
              s.encode.ratio.high, gb / s.decode.subject.median, s.decode.ratio.median, s.decode.ratio.low,
              s.decode.ratio.high);
}

/// Pieces as a memory holds them: far more than caches do.
class memory_speeds
{
 public:
  memory_speeds(const page_set& set, std::size_t bytes)
      : piece_(set.piece), raw_(repeated(all_layers(set), bytes)), back_(raw_.size()), copy_(raw_.size())
  {
  }

  template <kvstrata::page_codec C>
  [[nodiscard]] speed of(const typename C::config& told, int rounds)
  {
    const auto coder = C::coder(piece_, told);
    const std::size_t pieces = raw_.size() / piece_.bytes();
    std::vector<std::byte> code(pieces * coder.code_bytes());
    const bench::timed copy{"memcpy", [&] { copy_all(); }};
    const bench::timed encode{"encode", [&] {
                                for (std::size_t i = 0; i < pieces; ++i) {
                                  for (std::uint32_t u = 0; u < coder.units(); ++u) {
                                    static_cast<void>(coder.encode(u, raw_.data() + i * piece_.bytes(),
                                                                   code.data() + i * coder.code_bytes()));
                                  }
                                }
                              }};
    const bench::timed decode{"decode", [&] {
                                for (std::size_t i = 0; i < pieces; ++i) {
                                  for (std::uint32_t u = 0; u < coder.units(); ++u) {
                                    static_cast<void>(coder.decode(u, code.data() + i * coder.code_bytes(),
                                                                   back_.data() + i * piece_.bytes()));
                                  }
                                }
                              }};
    speed s;
    s.encode = bench::time_pairs(encode, copy, rounds);
    s.decode = bench::time_pairs(decode, copy, rounds);
    return s;
  }

  [[nodiscard]] speed of(const any_body& body, std::size_t piece_bytes, int rounds)
  {
    const std::size_t pieces = raw_.size() / piece_bytes;
    std::vector<std::byte> code(pieces * body.most);
    std::vector<std::size_t> length(pieces);
    const bench::timed copy{"memcpy", [&] { copy_all(); }};
    const bench::timed encode{"encode", [&] {
                                for (std::size_t i = 0; i < pieces; ++i) {
                                  length[i] = body.encode(std::span(raw_).subspan(i * piece_bytes, piece_bytes),
                                                          std::span(code).subspan(i * body.most, body.most));
                                }
                              }};
    const bench::timed decode{
        "decode", [&] {
          for (std::size_t i = 0; i < pieces; ++i) {
            static_cast<void>(body.decode(std::span(code).subspan(i * body.most, length[i]),
                                          std::span(back_).subspan(i * piece_bytes, piece_bytes)));
          }
        }};
    speed s;
    s.encode = bench::time_pairs(encode, copy, rounds);
    s.decode = bench::time_pairs(decode, copy, rounds);
    return s;
  }

  [[nodiscard]] double bytes() const noexcept { return static_cast<double>(raw_.size()); }

 private:
  void copy_all() { std::memcpy(copy_.data(), raw_.data(), raw_.size()); }

  [[nodiscard]] static std::vector<std::byte> repeated(const std::vector<std::byte>& some, std::size_t bytes)
  {
    std::vector<std::byte> out;
    out.reserve(bytes + some.size());
    while (out.size() < bytes) out.insert(out.end(), some.begin(), some.end());
    return out;
  }

  kvstrata::piece_shape piece_;
  std::vector<std::byte> raw_, back_, copy_;
};

inline void print_speeds(const page_set& set, int rounds, std::vector<bench::target>& targets)
{
  using namespace kvstrata::codec;
  memory_speeds memory(set, std::size_t{128} << 20U);
  std::printf(
      "Speed on one core, GB/s of raw bytes, and as a share of memcpy in the same run; %.0f MB of %s in pieces of "
      "%zu KiB\n",
      memory.bytes() / 1e6, set.name.c_str(), set.piece.bytes() / 1024);
  std::printf("  %-40s %-38s  %s\n", "", "encode", "decode");
  const exp4::config told{counted(set).table()};
  const speed four = memory.of<exp4>(told, rounds);
  print_speed("exp4", four, memory.bytes());
  print_speed("int8", memory.of<int8>({}, rounds), memory.bytes());
  print_speed("int8 from the minimum", memory.of<int8>({silu_minimum}, rounds), memory.bytes());
  print_speed("fp8", memory.of<fp8>({}, rounds), memory.bytes());
  print_speed("int4", memory.of<int4>({}, rounds), memory.bytes());
  targets.push_back({"codec.exp4_encode_of_memcpy", four.encode.ratio.median, bench::better::more, 0.5});
  targets.push_back({"codec.exp4_decode_of_memcpy", four.decode.ratio.median, bench::better::more, 0.6});

  memory_speeds store(set, std::size_t{16} << 20U);
  const std::size_t half = set.piece.bytes() / 2;
  const auto bodies = zstd_bodies(piece_of_bytes(set, half));
  if (bodies.empty()) std::printf("  (built without libzstd: exp_zstd is not measured; Debian: libzstd-dev)\n");
  for (const any_body& body : bodies) {
    const speed s = store.of(body, half, rounds);
    print_speed(body.name + ", " + std::to_string(half / 1024) + " KiB", s, store.bytes());
    if (&body != &bodies.front()) continue;
    targets.push_back(
        {"codec.exp_zstd_decode_gb_per_s", store.bytes() / 1e9 / s.decode.subject.median, bench::better::more, 1});
  }
  std::printf("\n");
}

}  // namespace codec_bench
