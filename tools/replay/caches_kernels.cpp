#include "replay/caches_kernels.hpp"

#include "replay/cpu_place.hpp"

template std::optional<replay::cache_kind<replay::cpu_place>> replay::caches::find_kernel(std::string_view key);
