#include "hstu/safetensors.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <system_error>

namespace hstu {
namespace {

constexpr std::size_t piece_bytes = std::size_t{1} << 20;

std::uint64_t little_endian(const std::byte* from, std::size_t bytes)
{
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < bytes; ++i) out |= std::to_integer<std::uint64_t>(from[i]) << (8 * i);
  return out;
}

float from_half(std::uint32_t bits)
{
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = bits >> 10 & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float tiny = static_cast<float>(fraction) * 0x1p-24f;
  return sign != 0 ? -tiny : tiny;
}

float from_bits(std::string_view dtype, std::uint32_t bits)
{
  if (dtype == "F32") return std::bit_cast<float>(bits);
  if (dtype == "BF16") return std::bit_cast<float>(bits << 16);
  return from_half(bits);
}

}  // namespace

safetensors_file::safetensors_file(const std::filesystem::path& path, const safetensors_limits& limits)
    : name_(path.string()), in_(path, std::ios::binary)
{
  const auto fail = [this](const std::string& why) { throw kvstrata::data_error(name_, 0, why); };
  std::error_code failed;
  const std::uint64_t size = in_ ? std::filesystem::file_size(path, failed) : 0;
  if (!in_ || failed) fail("it cannot be opened as a file");
  std::array<std::byte, 8> length{};
  in_.read(reinterpret_cast<char*>(length.data()), 8);
  if (!in_) fail("it is too short for a safetensors file: " + std::to_string(size) + " bytes");
  const std::uint64_t header = little_endian(length.data(), 8);
  if (header > size - 8) {
    fail("its header has " + std::to_string(header) + " bytes by its own account, but the file has " +
         std::to_string(size));
  }
  if (header > limits.header_bytes) {
    fail("its header has " + std::to_string(header) + " bytes, and may have " + std::to_string(limits.header_bytes));
  }
  std::string text(static_cast<std::size_t>(header), '\0');
  in_.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in_) fail("its header cannot be read");
  data_begin_ = 8 + header;
  header_ = parse_safetensors(text, size - data_begin_, name_, limits);
}

const tensor_entry* safetensors_file::find(std::string_view tensor) const noexcept
{
  const auto at = std::find_if(header_.tensors.begin(), header_.tensors.end(),
                               [tensor](const tensor_entry& t) { return t.name == tensor; });
  return at == header_.tensors.end() ? nullptr : &*at;
}

const std::string* safetensors_file::metadata(std::string_view key) const noexcept
{
  for (const auto& [name, value] : header_.metadata) {
    if (name == key) return &value;
  }
  return nullptr;
}

void safetensors_file::refuse(std::string_view tensor, std::string_view why) const
{
  throw kvstrata::data_error(name_, 0, "tensor '" + std::string(tensor) + "' " + std::string(why));
}

void safetensors_file::read(const tensor_entry& tensor, std::uint64_t from, std::byte* to, std::size_t count)
{
  in_.clear();
  in_.seekg(static_cast<std::streamoff>(data_begin_ + tensor.begin + from));
  in_.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(count));
  if (!in_) refuse(tensor.name, "cannot be read: the file has become shorter, or its medium fails");
}

std::vector<std::byte> safetensors_file::bytes(const tensor_entry& tensor)
{
  std::vector<std::byte> out(static_cast<std::size_t>(tensor.bytes()));
  read(tensor, 0, out.data(), out.size());
  return out;
}

std::vector<float> safetensors_file::floats(const tensor_entry& tensor)
{
  const bool wide = tensor.dtype == "F32";
  if (!wide && tensor.dtype != "F16" && tensor.dtype != "BF16") {
    refuse(tensor.name, "has the dtype " + tensor.dtype + ", but weights are F32, F16 or BF16");
  }
  const std::size_t width = wide ? 4 : 2;
  std::vector<float> out(static_cast<std::size_t>(tensor.bytes()) / width);
  std::vector<std::byte> piece((std::min)(piece_bytes, out.size() * width));
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t count = (std::min)(piece.size() / width, out.size() - done);
    read(tensor, done * width, piece.data(), count * width);
    for (std::size_t i = 0; i < count; ++i) {
      const float value =
          from_bits(tensor.dtype, static_cast<std::uint32_t>(little_endian(piece.data() + i * width, width)));
      if (!std::isfinite(value)) {
        refuse(tensor.name, "is no finite number at element " + std::to_string(done + i));
      }
      out[done + i] = value;
    }
    done += count;
  }
  return out;
}

}  // namespace hstu
