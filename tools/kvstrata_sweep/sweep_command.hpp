// The sweep of kvstrata-sim as a program of one's own, with policies of one's own beside those that ship:
//
//   int main(int argc, char** argv)
//   {
//     kvstrata::policy_menu menu = kvstrata::shipped_policies();  // simulate/shipped_policies.hpp; or an empty one
//     menu.add<my_policy>("my_policy", "what it does, in a line");
//     return kvstrata::sweep_command(argc, argv, menu);
//   }
//
// Link kvstrata::sweep (component sweep). docs/tutorials/your-first-policy.md ends with such a program.
#pragma once

#include <kvstrata/simulate/policy_menu.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Does what `kvstrata-sim` does with these arguments, those of main(), and this menu: runs caches of many policies and
/// sizes through traces and prints tables; --help says the rest. Results go to standard output and to the files that
/// options name, what is wrong to standard error. Returns what main() should: 0, 1 where a trace is broken or a result
/// could not be written, 2 after a bad argument. Reads the menu only, and keeps nothing of it. Call it once, from main():
/// it ignores SIGPIPE from then on. Does not throw.
[[nodiscard]] int sweep_command(int count, const char* const* arguments, const policy_menu& menu);

}  // namespace kvstrata
