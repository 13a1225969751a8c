#include "decoder/catalogue/tuples.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string_view>
#include <system_error>

namespace decoder {
namespace {

// The numbers of a line, or an empty reason why there are none.
std::string parse(std::string_view line, std::vector<std::uint32_t>& tuple)
{
  constexpr std::string_view between = " \t,\r";
  tuple.clear();
  for (std::size_t at = line.find_first_not_of(between); at != std::string_view::npos;
       at = line.find_first_not_of(between, at)) {
    const std::size_t end = (std::min)(line.find_first_of(between, at), line.size());
    std::uint32_t token = 0;
    const auto [stopped, error] = std::from_chars(line.data() + at, line.data() + end, token);
    if (error != std::errc() || stopped != line.data() + end) {
      return "'" + std::string(line.substr(at, end - at)) + "' is no token: decimal numbers below 2^32 are";
    }
    tuple.push_back(token);
    at = end;
  }
  return {};
}

}  // namespace

void check_codebooks(std::span<const std::uint32_t> codebooks)
{
  if (codebooks.empty()) throw kvstrata::config_error("the catalogue's depth", 0, "it must be at least 1");
  if (codebooks.size() > most_levels) {
    throw kvstrata::config_error("the catalogue's depth", codebooks.size(),
                                 "it may be at most " + std::to_string(most_levels));
  }
  for (std::size_t level = 0; level < codebooks.size(); ++level) {
    const std::string name = "the codebook of level " + std::to_string(level);
    if (codebooks[level] == 0) throw kvstrata::config_error(name, 0, "it must have at least 1 token");
    if (codebooks[level] > largest_codebook) {
      throw kvstrata::config_error(name, codebooks[level],
                                   "it may have at most " + std::to_string(largest_codebook) + " tokens");
    }
  }
}

std::string fault_of(std::span<const std::uint32_t> codebooks, std::span<const std::uint32_t> previous,
                     std::span<const std::uint32_t> tuple)
{
  if (tuple.size() != codebooks.size()) {
    return "a tuple has " + std::to_string(tuple.size()) + " tokens, but the catalogue's depth is " +
           std::to_string(codebooks.size());
  }
  for (std::size_t level = 0; level < tuple.size(); ++level) {
    if (tuple[level] >= codebooks[level]) {
      return "token " + std::to_string(tuple[level]) + " of level " + std::to_string(level) +
             " is outside its codebook, which has " + std::to_string(codebooks[level]);
    }
  }
  if (previous.empty() || std::lexicographical_compare(previous.begin(), previous.end(), tuple.begin(), tuple.end())) {
    return {};
  }
  if (std::equal(previous.begin(), previous.end(), tuple.begin())) return to_string(tuple) + " is there twice";
  return to_string(tuple) + " comes behind " + to_string(previous) + ", but tuples must ascend";
}

std::string to_string(std::span<const std::uint32_t> tuple)
{
  std::string text = "(";
  for (std::size_t i = 0; i < tuple.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(tuple[i]);
  return text + ")";
}

std::vector<std::uint32_t> read_tuples(const std::filesystem::path& file, std::span<const std::uint32_t> codebooks)
{
  check_codebooks(codebooks);
  std::ifstream in(file);
  if (!in) throw kvstrata::data_error(file.string(), 0, "it cannot be opened");
  std::vector<std::uint32_t> tuples, tuple;
  std::string line;
  std::uint64_t number = 0;
  while (std::getline(in, line)) {
    ++number;
    if (!line.empty() && line[0] == '#') continue;
    std::string fault = parse(line, tuple);
    if (fault.empty() && tuple.empty()) continue;
    const std::size_t before = tuples.empty() ? 0 : codebooks.size();
    if (fault.empty()) fault = fault_of(codebooks, std::span(tuples).last(before), tuple);
    if (!fault.empty()) throw kvstrata::data_error(file.string(), number, fault);
    tuples.insert(tuples.end(), tuple.begin(), tuple.end());
  }
  if (in.bad()) throw kvstrata::data_error(file.string(), number + 1, "it cannot be read");
  if (tuples.empty()) throw kvstrata::data_error(file.string(), 0, "there is no tuple in it");
  return tuples;
}

}  // namespace decoder
