// All of kvstrata that a host compiler needs.
#pragma once

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/version.hpp>
