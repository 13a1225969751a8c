#include "store/show.hpp"

#include "command_line/json_text.hpp"
#include "replay/format.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ostream>
#include <set>
#include <string>
#include <utility>

namespace store_tool {

namespace nvme = kvstrata::nvme;
using json = nlohmann::ordered_json;
using replay::bytes_text;
using replay::with_commas;

namespace {

struct record_sums
{
  std::uint64_t sequences = 0;
  std::uint64_t undurable = 0;
  std::uint64_t oldest = 0, newest = 0;  ///< orders
};

[[nodiscard]] record_sums sums_of(const store_file& in)
{
  record_sums out;
  std::set<std::pair<std::uint32_t, std::uint64_t>> keys;
  for (const kept_record& r : in.records) {
    keys.emplace(r.row.key.space, r.row.key.id);
    if (!r.durable) ++out.undurable;
    out.oldest = out.oldest == 0 ? r.row.order : (std::min)(out.oldest, r.row.order);
    out.newest = (std::max)(out.newest, r.row.order);
  }
  out.sequences = keys.size();
  return out;
}

[[nodiscard]] std::string id_text(const nvme::store_id& id)
{
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(id.first),
                static_cast<unsigned long long>(id.second));
  return text.data();
}

[[nodiscard]] std::string counted(std::uint64_t count, const std::string& one, const std::string& many)
{
  return with_commas(count) + ' ' + (count == 1 ? one : many);
}

[[nodiscard]] std::uint32_t version_of(const store_file& in) noexcept
{
  return in.is.code.is_none() ? nvme::format_version : nvme::coded_version;
}

/// A line of its own, where there is a codec. Codes are checked as they lie, and moved as they are: none is needed here.
[[nodiscard]] std::string code_text(const nvme::code_mark& code)
{
  if (code.is_none()) return "";
  return "codec: " + code.name() + ", of pages of " + with_commas(code.piece.tokens) + " tokens, " +
         counted(code.piece.kv_heads, "head", "heads") + " of " + with_commas(code.piece.head_dim) + ", " +
         std::string(name_of(code.piece.element)) + "; codes are checked and copied as they are, and not decoded\n";
}

json record_json(const store_file& in, const kept_record& r, const std::optional<nvme::record_head>& head)
{
  json out{{"space", r.row.key.space},
           {"id", r.row.key.id},
           {"begin", r.row.tokens.begin},
           {"end", r.row.tokens.end},
           {"order", r.row.order},
           {"durable", r.durable},
           {"region", r.place.region},
           {"block", r.place.block},
           {"body_bytes", std::uint64_t{r.row.body_blocks} * nvme::block_bytes}};
  if (!head) return out;
  out["page_tokens"] = head->header.page_tokens;
  out["page_bytes"] = head->page_bytes;
  out["layers"] = in.is.layers;
  out["incarnation"] = to_number(head->header.incarnation);
  out["epoch"] = to_number(head->header.epoch);
  out["format"] = static_cast<std::uint64_t>(head->header.format);
  return out;
}

/// Visits the first records with their heads.
template <class Visit>
void each_head(store_file& in, std::uint64_t limit, Visit visit)
{
  for (const kept_record& r : in.records) {
    if (limit-- == 0) return;
    const read_head read = read_head_of(in, r);
    if (!read.head && r.durable) in.faults.add(in.where(r) + ", " + read.fault);
    visit(r, read.head);
  }
}

}  // namespace

void print(std::ostream& out, const store_file& in, const findings& what)
{
  const nvme::recovery_figures& found = in.core->recovery;
  const record_sums sums = sums_of(in);
  const region_counts& g = in.regions;
  out << "store " << id_text(in.is.store) << ", format version " << version_of(in) << '\n';
  for (std::size_t i = 0; i < in.paths.size(); ++i) {
    out << "  " << in.paths[i] << ": " << with_commas(in.path_bytes[i]) << " bytes\n";
  }
  out << "geometry: " << counted(in.is.regions, "region", "regions") << " of " << with_commas(in.is.region_bytes)
      << " bytes, the first " << (in.is.paths == 1 ? "" : with_commas(in.is.paths) + ' ') << "for superblocks; "
      << counted(in.is.layers, "layer", "layers") << " a page\n"
      << code_text(in.is.code) << "regions: " << with_commas(g.sealed) << " with a table, " << with_commas(g.walked)
      << " without one, " << with_commas(g.empty) << " made ready, " << with_commas(g.unused) << " never used";
  if (g.damaged != 0) out << ", " << with_commas(g.damaged) << " damaged";
  if (g.unreadable != 0) out << ", " << with_commas(g.unreadable) << " that cannot be read";
  out << "\nrecords: " << with_commas(in.records.size()) << " of " << counted(sums.sequences, "sequence", "sequences")
      << ", " << with_commas(in.record_bytes()) << " bytes (" << bytes_text(in.record_bytes()) << ")";
  if (!in.records.empty()) {
    out << "; the oldest has order " << with_commas(sums.oldest) << ", the newest " << with_commas(sums.newest);
  }
  out << "\nerasures: " << with_commas(found.erasures) << "\ndurable: all up to order "
      << with_commas(in.core->books.durable_order) << "\nopening it: " << counted(found.tables, "table", "tables")
      << " read, " << counted(found.walked, "region", "regions") << " walked through, "
      << counted(found.records, "record", "records") << " found, " << with_commas(found.outdated)
      << " erased or replaced";
  if (sums.undurable != 0 || (what.checked && what.checked->torn != 0)) {
    const std::uint64_t torn = what.checked ? what.checked->torn : 0;
    out << "; " << with_commas(sums.undurable + torn) << " are looked at first, since a crash may have torn them";
    if (what.checked) out << ": " << with_commas(torn) << " torn";
  }
  out << '\n';
  if (what.checked) {
    out << "checked: " << counted(what.checked->heads, "head", "heads");
    if (what.with_bodies) {
      out << " and " << counted(what.checked->bodies, "body", "bodies") << ", " << with_commas(what.checked->bytes)
          << " bytes, each layer";
    }
    out << '\n';
  }
  if (what.made) {
    out << "compacted: " << counted(what.made->records, "record", "records") << " into " << what.compacted_to << ", "
        << with_commas(what.made->bytes) << " bytes\n";
  }
  if (what.checked || in.faults.count != 0) {
    out << "faults: " << (in.faults.count == 0 ? "none" : with_commas(in.faults.count)) << '\n';
  }
}

void print_json(std::ostream& out, store_file& in, const findings& what, bool list, std::uint64_t limit)
{
  json records = json::array();
  if (list) {
    each_head(in, limit, [&](const kept_record& r, const std::optional<nvme::record_head>& head) {
      records.push_back(record_json(in, r, head));
    });
  }
  const nvme::recovery_figures& found = in.core->recovery;
  const record_sums sums = sums_of(in);
  json all{{"store", id_text(in.is.store)},
           {"format_version", version_of(in)},
           {"codec", in.is.code.is_none() ? json(nullptr) : json(in.is.code.name())},
           {"paths", in.paths},
           {"path_bytes", in.path_bytes},
           {"region_bytes", in.is.region_bytes},
           {"layers", in.is.layers},
           {"regions",
            {{"all", in.is.regions},
             {"superblocks", in.is.paths},
             {"sealed", in.regions.sealed},
             {"walked", in.regions.walked},
             {"ready", in.regions.empty},
             {"unused", in.regions.unused},
             {"damaged", in.regions.damaged},
             {"unreadable", in.regions.unreadable}}},
           {"records", in.records.size()},
           {"record_bytes", in.record_bytes()},
           {"sequences", sums.sequences},
           {"oldest_order", sums.oldest},
           {"newest_order", sums.newest},
           {"durable_order", in.core->books.durable_order},
           {"recovery",
            {{"records", found.records},
             {"erasures", found.erasures},
             {"outdated", found.outdated},
             {"tables", found.tables},
             {"walked", found.walked},
             {"not_known_durable", in.core->books.unverified.size()}}}};
  if (what.checked) {
    all["checked"] = {{"heads", what.checked->heads},
                      {"bodies", what.checked->bodies},
                      {"bytes", what.checked->bytes},
                      {"torn", what.checked->torn}};
  }
  if (what.made) {
    all["compacted"] = {{"path", what.compacted_to}, {"records", what.made->records}, {"bytes", what.made->bytes}};
  }
  if (list) all["list"] = std::move(records);
  all["faults"] = in.faults.count;
  all["first_faults"] = in.faults.sentences;
  out << tools::json_text(all) << '\n';
}

void print_list(std::ostream& out, store_file& in, std::uint64_t limit)
{
  out << "space,id,begin,end,order,durable,region,block,body_bytes,page_tokens,page_bytes,incarnation,epoch,format\n";
  each_head(in, limit, [&](const kept_record& r, const std::optional<nvme::record_head>& head) {
    out << r.row.key.space << ',' << r.row.key.id << ',' << r.row.tokens.begin << ',' << r.row.tokens.end << ','
        << r.row.order << ',' << (r.durable ? "yes" : "no") << ',' << r.place.region << ',' << r.place.block << ','
        << std::uint64_t{r.row.body_blocks} * nvme::block_bytes;
    if (!head) {
      out << ",,,,,\n";
      return;
    }
    out << ',' << head->header.page_tokens << ',' << head->page_bytes << ',' << to_number(head->header.incarnation)
        << ',' << to_number(head->header.epoch) << ',' << static_cast<std::uint64_t>(head->header.format) << '\n';
  });
}

}  // namespace store_tool
