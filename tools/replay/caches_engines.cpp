#include "replay/caches_engines.hpp"

#include "replay/cpu_place.hpp"

template std::optional<replay::cache_kind<replay::cpu_place>> replay::caches::find_engine(std::string_view key);
