// Built where libzstd is not there.
#include "support/codec/any_body.hpp"

namespace codec_bench {

std::vector<any_body> zstd_bodies(const kvstrata::piece_shape&) { return {}; }

}  // namespace codec_bench
