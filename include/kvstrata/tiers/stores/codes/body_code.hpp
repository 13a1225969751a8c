// A body codec as a store has it: bound to a piece, whatever recipe it came from. Called once a page and layer.
#pragma once

#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/tiers/stores/codes/code_mark.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::stores {

/// Thread-safe, as body coders are (codec/concepts.hpp). What it throws is std::bad_alloc.
class body_code
{
 public:
  explicit body_code(const code_mark& mark, bool lossy) : mark_(mark), lossy_(lossy) {}
  body_code(const body_code&) = delete;
  body_code& operator=(const body_code&) = delete;
  virtual ~body_code() = default;

  [[nodiscard]] const code_mark& mark() const noexcept { return mark_; }
  [[nodiscard]] const piece_shape& piece() const noexcept { return mark_.piece; }
  [[nodiscard]] bool lossy() const noexcept { return lossy_; }
  [[nodiscard]] virtual std::size_t most_bytes() const = 0;
  [[nodiscard]] virtual std::size_t encode(std::span<const std::byte> raw, std::span<std::byte> code) const = 0;
  [[nodiscard]] virtual bool decode(std::span<const std::byte> code, std::span<std::byte> raw) const = 0;

 private:
  code_mark mark_;
  bool lossy_;
};

namespace detail {

template <body_codec C>
class bound_body_code final : public body_code
{
 public:
  bound_body_code(const code_mark& mark, const typename C::config& told)
      : body_code(mark, C::lossy), coder_(C::coder(mark.piece, told))
  {
  }
  [[nodiscard]] std::size_t most_bytes() const override { return coder_.most_bytes(); }
  [[nodiscard]] std::size_t encode(std::span<const std::byte> raw, std::span<std::byte> code) const override
  {
    return coder_.encode(raw, code);
  }
  [[nodiscard]] bool decode(std::span<const std::byte> code, std::span<std::byte> raw) const override
  {
    return coder_.decode(code, raw);
  }

 private:
  coder_of<C> coder_;
};

/// What nobody here can read: codes are moved, and neither made nor understood.
class foreign_body_code final : public body_code
{
 public:
  using body_code::body_code;
  [[nodiscard]] std::size_t most_bytes() const override { return 0; }
  [[nodiscard]] std::size_t encode(std::span<const std::byte>, std::span<std::byte>) const override { return 0; }
  [[nodiscard]] bool decode(std::span<const std::byte>, std::span<std::byte>) const override { return false; }
};

}  // namespace detail

/// How a store says which codec it has. A codec whose codes mean something else from a version on has a C::version that says
/// so; 1 where it has none.
template <body_codec C>
[[nodiscard]] code_mark mark_of(const piece_shape& piece)
{
  std::uint32_t version = 1;
  if constexpr (requires { C::version; }) version = C::version;
  code_mark out{.fingerprint = code_fingerprint(C::name, version, C::lossy), .piece = piece};
  out.call(C::name);
  return out;
}

/// A codec for a store's config::code. Throws what C::coder does.
template <body_codec C>
[[nodiscard]] std::shared_ptr<const body_code> code_of(const piece_shape& piece, const typename C::config& told = {})
{
  return std::make_shared<const detail::bound_body_code<C>>(mark_of<C>(piece), told);
}
/// For tools that move records of a codec that they do not have.
[[nodiscard]] inline std::shared_ptr<const body_code> foreign_code_of(const code_mark& mark)
{
  return std::make_shared<const detail::foreign_body_code>(mark, true);
}

}  // namespace kvstrata::stores
