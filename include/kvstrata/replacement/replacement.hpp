// The menu of replacement policies.
//
//   lru           least recently used                                     the baseline; short loops ruin it
#pragma once

#include <kvstrata/replacement/lru.hpp>
