// Items as tuples of tokens, the semantic IDs: item i has token tuples[i * depth + level] at each level. What is right of a
// list of them, and reading one from a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace decoder {

inline constexpr std::size_t most_levels = 8;                ///< tokens of a tuple
inline constexpr std::uint32_t largest_codebook = 1U << 24;  ///< tokens of a level

/// Throws kvstrata::config_error for no level or too many, and for a codebook that is empty or too large.
void check_codebooks(std::span<const std::uint32_t> codebooks);

/// What is wrong with a tuple behind `previous` (empty: it is the first): the wrong length, a token that is not in its
/// codebook, out of order, there already. Empty where nothing is. O(depth).
[[nodiscard]] std::string fault_of(std::span<const std::uint32_t> codebooks, std::span<const std::uint32_t> previous,
                                   std::span<const std::uint32_t> tuple);

/// "(3, 17, 4)".
[[nodiscard]] std::string to_string(std::span<const std::uint32_t> tuple);

/// Reads tuples from a text: one a line, decimal numbers with blanks, tabs or commas between them, ascending; empty lines
/// and those that begin with '#' do not count. Item i is the i-th. [items][depth]. Throws kvstrata::data_error with file,
/// line and reason, also where there is no tuple in it; config_error as check_codebooks().
[[nodiscard]] std::vector<std::uint32_t> read_tuples(const std::filesystem::path& file,
                                                     std::span<const std::uint32_t> codebooks);

}  // namespace decoder
