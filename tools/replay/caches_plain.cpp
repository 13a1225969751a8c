#include "replay/caches_plain.hpp"

#include "replay/cpu_place.hpp"

template std::optional<replay::cache_kind<replay::cpu_place>> replay::caches::find_plain(std::string_view key);
