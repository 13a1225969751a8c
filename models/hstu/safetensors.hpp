// Reads files of the safetensors format: eight bytes that tell the length of a header, the header in JSON, then the bytes
// of all tensors. A file may come from anywhere: what its header says is believed only as far as the file bears it out.
//
// Format: github.com/huggingface/safetensors. Of JSON only what a header may hold is read: one object of tensors, each an
// object of dtype, shape and data_offsets, and __metadata__, an object of strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hstu {

/// What a header may ask for at most; a file beyond is refused before memory is taken for it.
struct safetensors_limits
{
  std::uint64_t header_bytes = std::uint64_t{16} << 20;
  std::size_t tensors = 100'000;
  std::size_t dimensions = 8;
};

struct tensor_entry
{
  std::string name;
  std::string dtype;                   ///< as in the file: "F32", "BF16", ...
  std::vector<std::uint64_t> shape{};  ///< empty: a single number
  std::uint64_t begin = 0;             ///< in the bytes behind the header
  std::uint64_t end = 0;

  [[nodiscard]] std::uint64_t elements() const noexcept;  ///< the product of the shape
  [[nodiscard]] std::uint64_t bytes() const noexcept { return end - begin; }
};

struct safetensors_header
{
  std::vector<tensor_entry> tensors;                          ///< in the order of their bytes
  std::vector<std::pair<std::string, std::string>> metadata;  ///< in the order of the file
};

/// Reads the text of a header whose file has `data_bytes` behind it. Throws kvstrata::data_error with `file` and, as far as
/// one is at fault, the tensor: where it is no such text, beyond a limit, where a size contradicts dtype and shape, lies
/// beyond the file, or where tensors overlap, leave a gap, or are told twice. Memory is proportional to the text.
[[nodiscard]] safetensors_header parse_safetensors(std::string_view text, std::uint64_t data_bytes,
                                                   std::string_view file, const safetensors_limits& limits = {});

/// An open file. Reads tensors when asked, a piece at a time. One thread at a time.
class safetensors_file
{
 public:
  /// Reads and checks the header. Throws kvstrata::data_error.
  explicit safetensors_file(const std::filesystem::path& path, const safetensors_limits& limits = {});

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::vector<tensor_entry>& tensors() const noexcept { return header_.tensors; }
  /// Null where there is none.
  [[nodiscard]] const tensor_entry* find(std::string_view tensor) const noexcept;
  /// Null where there is none.
  [[nodiscard]] const std::string* metadata(std::string_view key) const noexcept;

  /// All elements of a tensor of this file as floats, by rows; it must be F32, F16 or BF16. Takes memory for these and a
  /// piece of the file. Throws kvstrata::data_error with file and tensor where it is not, where an element is no finite
  /// number, and where the file ends too soon.
  [[nodiscard]] std::vector<float> floats(const tensor_entry& tensor);

  /// The bytes of a tensor of this file, as they are. Throws kvstrata::data_error where the file ends too soon.
  [[nodiscard]] std::vector<std::byte> bytes(const tensor_entry& tensor);

  /// Throws kvstrata::data_error naming this file and the tensor.
  [[noreturn]] void refuse(std::string_view tensor, std::string_view why) const;

 private:
  void read(const tensor_entry& tensor, std::uint64_t from, std::byte* to, std::size_t count);

  std::string name_;
  std::ifstream in_;
  std::uint64_t data_begin_ = 0;
  safetensors_header header_;
};

}  // namespace hstu
