// Long random operation sequences on a cache, checked against naive_cache after every step.
#pragma once

#include "cache/subject.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <cstdint>
#include <span>

namespace kvstrata_test {

struct walk
{
  std::uint64_t seed = 1;
  int steps = 100;
  unsigned users = 9;
  kvstrata::token_count longest = 64;  ///< of a history
  std::size_t leases = 4;              ///< open at once, at most
  int look_every = 1;                  ///< steps between two looks at stats(): looking lets the host learn of events
};

/// What a walk with requests of parts has met of inexact tokens; of rows of leases.
struct parts_met
{
  std::uint64_t inexact_shared = 0;   ///< served, through a lossy copy
  std::uint64_t tainted_rows = 0;     ///< computed on top of such a one, and of no inexact row of their own sequence
  std::uint64_t refused_tainted = 0;  ///< such rows, committed, that a request for exact ones was not served
  std::uint64_t made_exact = 0;       ///< shared ones, computed beside the same version
  std::uint64_t told_to_wait = 0;     ///< calls, for a shared one that another lease computes
  std::uint64_t own_copies = 0;       ///< of such ones

  void add(const parts_met& other) noexcept
  {
    inexact_shared += other.inexact_shared;
    tainted_rows += other.tainted_rows;
    refused_tainted += other.refused_tainted;
    made_exact += other.made_exact;
    told_to_wait += other.told_to_wait;
    own_copies += other.own_copies;
  }
};

/// A virtual-time device on which every operation starts late at random and, for half of the seeds, links serve out of
/// turn; checked, and for most seeds poisoned.
[[nodiscard]] kvstrata::emulated_device_config adversary(std::uint64_t seed);
/// In real time, checked and poisoned.
[[nodiscard]] kvstrata::emulated_device_config real_adversary();

/// Walks, looks at everything after each step, and ends with no lease open and all losses accounted for.
void random_walk(any_cache& cache, kvstrata::emulated_device& device, const facts& about, const walk& how);

/// The same with requests of parts among the others (parts_walker.hpp).
parts_met parts_walk(any_cache& cache, kvstrata::emulated_device& device, const facts& about, const walk& how);
void parts_walk_point(const policy_point& where, const kvstrata::emulated_device_config& config, const walk& how,
                      const sizes& s = {});

/// A walk on a fresh cache on a fresh device.
void walk_point(const policy_point& where, const kvstrata::emulated_device_config& config, const walk& how,
                const sizes& s = {});

/// The same around copying_model.
void copying_walk_point(const policy_point& where, const kvstrata::emulated_device_config& config, const walk& how,
                        const sizes& s = {});

/// Several short walks at each point, in virtual and in real time.
void walk_points(std::span<const policy_point> points, std::uint64_t first_seed);

}  // namespace kvstrata_test
