// The subcommands of kvstrata-sim. Each reads its own command line; arguments[0] is what the user typed to get here.
// Exit code 0: done; 1: a trace is broken, or the run could not be finished; 2: a bad argument.
#pragma once

#include <iosfwd>

namespace sim {

/// Runs caches through traces: kvstrata-sim [sweep].
int sweep_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err);

/// Predicts what a described machine would do: kvstrata-sim machine.
int machine_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err);

/// Counts what each level of a cache serves, by policy and codec: kvstrata-sim cache.
int cache_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err);

/// Says how large the levels must be for some users: kvstrata-sim size.
int size_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err);

/// Simulates a cluster behind a router: kvstrata-sim cluster.
int cluster_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err);

}  // namespace sim
