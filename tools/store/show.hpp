// What was found in a store, as text, JSON and CSV.
#pragma once

#include "store/bodies.hpp"
#include "store/compact.hpp"
#include "store/store_file.hpp"

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

namespace store_tool {

/// What was done besides reading heads and tables.
struct findings
{
  std::optional<check_counts> checked{};
  bool with_bodies = false;
  std::string compacted_to{};
  std::optional<compacted> made{};
};

void print(std::ostream& out, const store_file& in, const findings& what);

/// One object; with `list`, its first `limit` records among it.
void print_json(std::ostream& out, store_file& in, const findings& what, bool list, std::uint64_t limit);

/// A row for each of the first `limit` records, the oldest first. Their heads are read: one that cannot be is a fault, and
/// has empty fields.
void print_list(std::ostream& out, store_file& in, std::uint64_t limit);

}  // namespace store_tool
