#include "sim/unpack.hpp"

#ifdef SIM_HAS_ZSTD
#include <kvstrata/simulate/unpack/zstd.hpp>
#endif
#ifdef SIM_HAS_ZLIB
#include <kvstrata/simulate/unpack/gzip.hpp>
#endif

namespace sim {

std::unique_ptr<kvstrata::unpacker> unpack([[maybe_unused]] kvstrata::packing by)
{
#ifdef SIM_HAS_ZSTD
  if (by == kvstrata::packing::zstd) return kvstrata::make_zstd_unpacker();
#endif
#ifdef SIM_HAS_ZLIB
  if (by == kvstrata::packing::gzip) return kvstrata::make_gzip_unpacker();
#endif
  return nullptr;
}

std::string unpacked_names()
{
  std::string out;
#ifdef SIM_HAS_ZSTD
  out = ".zst";
#endif
#ifdef SIM_HAS_ZLIB
  out += out.empty() ? ".gz" : " and .gz";
#endif
  return out;
}

}  // namespace sim
