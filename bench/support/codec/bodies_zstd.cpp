// Built where libzstd is there.
#include "support/codec/any_body.hpp"

#include <kvstrata/codec/exp_zstd.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/codec/zstd_after.hpp>

namespace codec_bench {

std::vector<any_body> zstd_bodies(const kvstrata::piece_shape& piece)
{
  using namespace kvstrata::codec;
  return {body_of<exp_zstd>("exp_zstd", piece),
          body_of<exp_zstd>("exp_zstd, no pair crowded", piece, {exp_zstd::none}),
          body_of<zstd_after<int8>>("int8, then zstd", piece),
          body_of<zstd_after<int8>>("int8 from the minimum, then zstd", piece, {silu_minimum}),
          body_of<zstd_after<fp8>>("fp8, then zstd", piece),
          body_of<zstd_after<int4>>("int4, then zstd", piece)};
}

}  // namespace codec_bench
