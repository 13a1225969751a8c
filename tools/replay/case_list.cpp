#include "replay/case_list.hpp"

#include "replay/codec_cases.hpp"
#include "replay/wrap.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cstddef>

namespace replay {
namespace {

std::string join(const std::vector<std::string>& words)
{
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

const case_entry* find_key(std::string_view key)
{
  for (const case_entry& c : case_list()) {
    if (c.key == key) return &c;
  }
  return nullptr;
}

void add_lines(std::string& out, const std::string& key, const std::string& text)
{
  constexpr std::size_t indent = 18;
  constexpr std::size_t width = 110;
  std::string head = "  " + key;
  head.resize(std::max(head.size() + 1, indent), ' ');
  for (const std::string& line : wrap(text, width - indent)) {
    out += head + line + '\n';
    head.assign(indent, ' ');
  }
}

}  // namespace

const std::vector<case_entry>& case_list()
{
  static const std::vector<case_entry> list{
      {"none", "no cache", "computes every history again"},
      {"device", "device only", "what falls out of the slab is computed again"},
      {"synchronous", "synchronous arena", "copies in, computes, copies out, and waits each time"},
      {"mtserve", "mtserve_cache", "the paper's way: whole chunks written down, whole users evicted, layer by layer"},
      {"default", "default_cache",
       "everything written down as it is computed, a user's front evicted first, one batch of copies a layer"},
      {"contiguous", "contiguous ranges",
       "as default_cache, but every user has room for the longest history reserved, as before paging"},
      {"per_page", "per_page copies", "as default_cache, with a copy call for every page of every layer", true},
      {"coalesced", "coalesced copies", "as default_cache, with a copy call for pages that lie side by side", true},
      {"staged", "staged copies",
       "as default_cache, through staging slots in device memory: large copies, then a kernel scatters the pages",
       true},
      {"window", "window landing",
       "as default_cache, landing in a window beside the pages: attention reads it there, a kernel relocates it later",
       true},
      {"mtserve_window", "mtserve window", "as mtserve_cache, landing in a window: the paper with its landing"},
      {"kernel", "kernel copies", "as default_cache, but kernels read and write pinned memory instead of copies", true},
      {"page_writes", "page writes",
       "as default_cache, but a partial last page goes down when its user is evicted, not before"},
      {"write_back", "write back", "as default_cache, but nothing goes down before its user is evicted"},
      {"cleaned", "cleaned write back",
       "as write back, but between batches the coldest users are written ahead of their eviction"},
      {"selective", "selective writes", "as default_cache, but a user's first request is not worth a write"},
      {"split", "split by cost",
       "default_cache with costs measured at the start: a front may be computed while the rear travels"},
      {"prefetch", "prefetch", "as default_cache, and the next batch's users are fetched while this one computes"},
  };
  return list;
}

const std::vector<case_group>& case_groups()
{
  static const std::vector<case_group> groups{
      {"plain", "what runs without --cases", {"none", "device", "synchronous", "mtserve", "default"}},
      {"engines",
       "the ways in which bytes move",
       {"none", "default", "per_page", "coalesced", "staged", "window", "mtserve_window", "kernel"}},
      {"writes",
       "the ways in which tokens go down",
       {"none", "mtserve", "default", "page_writes", "write_back", "cleaned", "selective"}},
      {"layouts", "the ways in which memory is laid out", {"none", "default", "contiguous"}},
      {"ahead", "what shortens the wait for a fetch", {"none", "default", "split", "prefetch"}},
      {"all", "every case", {}},
  };
  return groups;
}

const case_entry& store_case()
{
  static const case_entry entry{
      "nvme", "default_cache, nvme_file",
      "as default_cache, over a store on a file: whole pages written there as they are computed"};
  return entry;
}

const case_entry& cluster_case()
{
  static const case_entry entry{
      "cluster", "default_cache, redis_cluster",
      "as default_cache, over a store in a cluster: whole pages put there as they are computed"};
  return entry;
}

bool is_over_store(std::string_view key) { return key == store_case().key || key == cluster_case().key; }

const std::vector<std::string>& all_cases()
{
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> out;
    for (const case_entry& c : case_list()) out.push_back(c.key);
    return out;
  }();
  return keys;
}

const std::vector<std::string>& plain_cases() { return case_groups().front().cases; }

const case_entry& find_entry(std::string_view key)
{
  if (key == store_case().key) return store_case();
  if (key == cluster_case().key) return cluster_case();
  if (const codec_case* found = find_codec_case(key)) return found->shown;
  if (const case_entry* found = find_key(key)) return *found;
  throw kvstrata::config_error("--cases", "'" + std::string(key) + "'", "there is no such case");
}

std::vector<std::string> expand_cases(const std::vector<std::string>& words)
{
  std::vector<std::string> wanted;
  for (const std::string& word : words) {
    const auto group =
        std::find_if(case_groups().begin(), case_groups().end(), [&](const case_group& g) { return g.key == word; });
    if (group != case_groups().end()) {
      const std::vector<std::string>& cases = group->cases.empty() ? all_cases() : group->cases;
      wanted.insert(wanted.end(), cases.begin(), cases.end());
    } else if (find_key(word) != nullptr) {
      wanted.push_back(word);
    } else {
      std::string names = join(all_cases());
      for (const case_group& g : case_groups()) names += ", " + g.key;
      throw kvstrata::config_error("--cases", "'" + word + "'", "it must name some of: " + names);
    }
  }
  std::vector<std::string> out;
  for (const std::string& key : all_cases()) {
    if (std::find(wanted.begin(), wanted.end(), key) != wanted.end()) out.push_back(key);
  }
  return out;
}

std::string describe_cases()
{
  std::string out = "cases:\n";
  for (const case_entry& c : case_list()) add_lines(out, c.key, c.description);
  out += "\ngroups of cases:\n";
  for (const case_group& g : case_groups()) {
    add_lines(out, g.key, g.description + (g.cases.empty() ? "" : ": " + join(g.cases)));
  }
  return out;
}

}  // namespace replay
