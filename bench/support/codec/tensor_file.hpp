// Tensors of a safetensors file that this project has itself: found by name, its header taken on trust.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace codec_bench {

class tensor_file
{
 public:
  explicit tensor_file(const std::filesystem::path& path) : path_(path.string())
  {
    std::ifstream in(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    std::uint64_t header = 0;
    if (bytes_.size() < 8) throw kvstrata::data_error(path_, 0, "it is no file of tensors");
    std::memcpy(&header, bytes_.data(), 8);
    if (header > bytes_.size() - 8) throw kvstrata::data_error(path_, 0, "its header is longer than the file");
    header_ = std::string(bytes_.data() + 8, header);
  }

  /// Of elements that are T as they lie.
  template <class T>
  [[nodiscard]] std::vector<T> get(const std::string& name) const
  {
    const std::size_t at = header_.find('"' + name + "\":{");
    const std::string field = "\"data_offsets\":[";
    const std::size_t offsets = at == std::string::npos ? at : header_.find(field, at);
    if (offsets == std::string::npos) throw kvstrata::data_error(path_, 0, "it has no tensor " + name);
    const char* text = header_.c_str() + offsets + field.size();
    char* end = nullptr;
    const std::uint64_t from = std::strtoull(text, &end, 10);
    const std::uint64_t to = std::strtoull(end + 1, nullptr, 10);
    const std::size_t data = 8 + header_.size();
    if (to < from || to > bytes_.size() - data) throw kvstrata::data_error(path_, 0, name + " lies outside the file");
    std::vector<T> out((to - from) / sizeof(T));
    std::memcpy(out.data(), bytes_.data() + data + from, out.size() * sizeof(T));
    return out;
  }

  [[nodiscard]] std::vector<float> get_bf16(const std::string& name) const
  {
    const auto bits = get<std::uint16_t>(name);
    std::vector<float> out(bits.size());
    for (std::size_t i = 0; i < bits.size(); ++i) {
      const std::uint32_t wide = std::uint32_t{bits[i]} << 16U;
      std::memcpy(&out[i], &wide, 4);
    }
    return out;
  }

 private:
  std::string path_;
  std::vector<char> bytes_;
  std::string header_;
};

}  // namespace codec_bench
