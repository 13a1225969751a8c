// How codes cross the link: what multiprocessors a kernel may take makes of the time, never of the bytes; and what travels together.
#include "transfer/codes_bed.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/transfer/codes/direct_codes.hpp>
#include <kvstrata/transfer/codes/staged_codes.hpp>

#include <numeric>
#include <string_view>
#include <vector>

namespace kvstrata_test::codes_across {

using namespace kvstrata;

namespace {

constexpr piece_shape small{32, 1, 64, element_type::bf16};
constexpr double per_sm = 0x1p26, on_link = 0x1p30, per_sm_above = 0x1p28, above = 0x1p31;
constexpr double a_call = 0x1p-10, a_piece = 0x1p-14;

emulated_device_config slow_links()
{
  const link_model link{.bytes_per_second = on_link, .latency_seconds = a_call, .piece_seconds = a_piece};
  return {.time = time_mode::virtual_time,
          .to_device = link,
          .from_device = link,
          .copy_kernels = {.sm_bytes_per_second = per_sm,
                           .device_bytes_per_second = above,
                           .sm_device_bytes_per_second = per_sm_above},
          .check_ordering = true,
          .trace = true};
}

std::vector<page_count> every(page_count step, page_count pages)
{
  std::vector<page_count> frames(pages);
  for (page_count i = 0; i < pages; ++i) frames[i] = i * step;
  return frames;
}

/// Of all that ran on a stream.
struct work
{
  double seconds = 0;
  std::size_t bytes = 0, calls = 0, pieces = 0;
};
work on(const emulated_device& d, std::string_view stream)
{
  work out;
  for (const op_span& s : d.trace()) {
    if (s.stream_name != stream || s.kind == operation_kind::wait) continue;
    out.seconds += s.end - s.begin;
    out.bytes += s.bytes;
    out.pieces += s.pieces;
    ++out.calls;
  }
  return out;
}

constexpr page_count pages = 20;

/// A kernel that reaches pinned memory takes as long as the link, or as its multiprocessors where these are fewer.
template <std::uint32_t Sms>
void directly()
{
  CAPTURE(Sms);
  emulated_device d(slow_links());
  codes_bed bed(d, every(1, pages), small);
  const auto moved = bed.template round_trip<direct_codes<Sms>>();
  CHECK(moved.down.calls == bed.layers);
  CHECK(moved.up.pieces == bed.layers * pages);
  const double rate = Sms == 0 ? on_link : (std::min)(Sms * per_sm, on_link);
  for (const char* stream : {"offload encode", "onload decode"}) {
    const work w = on(d, stream);
    CHECK(w.bytes == bed.layers * pages * bed.code_bytes());
    CHECK(w.seconds == Approx(static_cast<double>(w.bytes) / rate).epsilon(1e-9));
  }
  CHECK(d.violations().empty());
}

/// The link's time is the same whatever the kernel may take.
template <std::uint32_t Sms>
void through_slots()
{
  CAPTURE(Sms);
  emulated_device d(slow_links());
  codes_bed bed(d, every(1, pages), small);
  const auto moved = bed.template round_trip<staged_codes<std::size_t{3} << 14U, 2, Sms>>();
  const double rate = Sms == 0 ? above : (std::min)(Sms * per_sm_above, above);
  for (const char* way : {"offload", "onload"}) {
    const work link = on(d, std::string(way) + " codes");
    CHECK(link.seconds == Approx(static_cast<double>(link.bytes) / on_link + static_cast<double>(link.calls) * a_call +
                                 static_cast<double>(link.pieces) * a_piece)
                              .epsilon(1e-9));
    const work kernel = on(d, std::string(way) + (way[1] == 'f' ? " encode" : " decode"));
    CHECK(kernel.calls == link.calls);
    CHECK(kernel.bytes == bed.layers * pages * bed.code_bytes());
    CHECK(kernel.seconds == Approx(static_cast<double>(kernel.bytes) / rate).epsilon(1e-9));
  }
  const work up = on(d, "onload codes");
  CHECK(moved.up.calls == 2 * up.calls);
  CHECK(moved.up.pieces == up.pieces + bed.layers * pages);
  CHECK(d.violations().empty());
}

template <class Codes>
work link_up(page_count step, const piece_shape& shape, const emulated_device_config& c, page_count count)
{
  emulated_device d(c);
  codes_bed bed(d, every(step, count), shape);
  static_cast<void>(bed.template round_trip<Codes>());
  CHECK(d.violations().empty());
  return on(d, "onload codes");
}

}  // namespace

TEST_CASE("codes by kernels on pinned memory, on few multiprocessors and on many", "[transfer][codec]")
{
  directly<1>();
  directly<2>();
  directly<7>();
  directly<16>();
  directly<64>();
  directly<0>();
}

TEST_CASE("codes through slots, on few multiprocessors and on many", "[transfer][codec]")
{
  through_slots<1>();
  through_slots<2>();
  through_slots<5>();
  through_slots<8>();
  through_slots<0>();
}

TEST_CASE("codes that are neighbours below travel through slots as one piece", "[transfer][codec]")
{
  const auto coder = codec::exp4::coder(small, {});
  const std::size_t code = coder.code_bytes(), frame = code + 48;
  using slots = staged_codes<std::size_t{1} << 16U, 2, 8>;
  const std::size_t fit = ((std::size_t{1} << 16U) - code) / frame + 1;  // with what is behind all but the last
  const std::size_t calls = (pages + fit - 1) / fit;

  const work beside = link_up<slots>(1, small, slow_links(), pages);
  CHECK(beside.calls == 2 * calls);  // two layers
  CHECK(beside.pieces == 2 * calls);
  CHECK(beside.bytes == 2 * (pages * frame - calls * 48));

  for (const page_count step : {page_count{2}, page_count{3}}) {
    const work apart = link_up<slots>(step, small, slow_links(), pages);
    CHECK(apart.pieces == 2 * std::size_t{pages});
    CHECK(apart.bytes == 2 * pages * code);
  }
}

TEST_CASE("codes of which two fit between neighbours' ends are no neighbours", "[transfer][codec]")
{
  constexpr piece_shape tiny_piece{16, 1, 2,
                                   element_type::bf16};  // a code is shorter than what joins may have between them
  REQUIRE(codec::exp4::coder(tiny_piece, {}).code_bytes() < 256);
  const work apart = link_up<staged_codes<4096, 2, 8>>(2, tiny_piece, slow_links(), pages);
  CHECK(apart.pieces == 2 * std::size_t{pages});
}

TEST_CASE("joined codes take less of the link than pieces of their own", "[transfer][codec]")
{
  // The links of tools/sim/machines/h200_pcie5.machine, and pages of MTServe's shape.
  const link_model link{.bytes_per_second = 53e9, .latency_seconds = 4e-6, .piece_seconds = 1e-7};
  const emulated_device_config h200{.time = time_mode::virtual_time,
                                    .to_device = link,
                                    .from_device = link,
                                    .copy_kernels = {.latency_seconds = 4e-6,
                                                     .sm_bytes_per_second = 4.4e9,
                                                     .device_bytes_per_second = 3.3e12,
                                                     .sm_device_bytes_per_second = 25e9},
                                    .check_ordering = true,
                                    .trace = true};
  constexpr piece_shape page{32, 4, 128, element_type::bf16};
  const work joined = link_up<staged_codes<>>(1, page, h200, 128);
  const work each = link_up<staged_codes<>>(2, page, h200, 128);
  CAPTURE(joined.seconds, each.seconds, joined.pieces, each.pieces);
  CHECK(joined.seconds < 0.94 * each.seconds);
}

}  // namespace kvstrata_test::codes_across
