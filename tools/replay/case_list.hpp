// The cases by their names on the command line: what runs, in which order, and what each of them is in a sentence. To
// compare a cache of your own, add a line here and one to a file of caches (caches_*.cpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace replay {

struct case_entry
{
  std::string key;          ///< on the command line
  std::string name;         ///< in the table
  std::string description;  ///< one sentence for a stranger
  bool same_hits = false;   ///< keeps and drops what default_cache does: it differs in how bytes move, or when
};

/// Every case, in the order in which it runs. "none" comes first: the others are measured against it.
[[nodiscard]] const std::vector<case_entry>& case_list();

/// What --nvme adds: it is in no group, and not named by --cases.
[[nodiscard]] const case_entry& store_case();
/// default_cache over a cluster: --cluster adds it.
[[nodiscard]] const case_entry& cluster_case();
/// Is it one of those, whose hits no simulation knows?
[[nodiscard]] bool is_over_store(std::string_view key);

/// A name for several cases.
struct case_group
{
  std::string key;
  std::string description;
  std::vector<std::string> cases;  ///< their keys; empty stands for all
};
[[nodiscard]] const std::vector<case_group>& case_groups();

/// The keys of all cases, in their order.
[[nodiscard]] const std::vector<std::string>& all_cases();

/// What runs without --cases: none, device, synchronous, mtserve, default.
[[nodiscard]] const std::vector<std::string>& plain_cases();

/// The store's, too. Throws kvstrata::config_error when there is no such case.
[[nodiscard]] const case_entry& find_entry(std::string_view key);

/// Keys with groups resolved: in the list's order, each once. Throws kvstrata::config_error for a word that is neither.
[[nodiscard]] std::vector<std::string> expand_cases(const std::vector<std::string>& words);

/// Every case and group with its sentence, a line or two each, for --help.
[[nodiscard]] std::string describe_cases();

}  // namespace replay
