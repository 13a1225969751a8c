#include "hstu/precision.hpp"

#include <kvstrata/core/error.hpp>

#include <oneapi/dnnl/dnnl.hpp>

namespace hstu {

bool is_fast(precision p) noexcept
{
  if (p == precision::f32) return true;
  try {
    constexpr auto wanted = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);  // what it has, bit by bit
    return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
  } catch (const dnnl::error&) {
    return false;
  }
}

void check(precision p, std::string_view field)
{
  if (is_fast(p)) return;
  throw kvstrata::config_error(field, name_of(p),
                               "it takes a processor with AMX or with AVX-512 BF16, which this one is not");
}

}  // namespace hstu
