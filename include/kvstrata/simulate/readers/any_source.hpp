// A source whose type is found at run time. One virtual call a chunk, so its cost vanishes in chunks of thousands.
#pragma once

#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// How much of a source has been read, from 0 to 1; 0 where it does not tell.
template <access_source S>
[[nodiscard]] double progress_of(const S& source)
{
  if constexpr (requires {
                  { source.progress() } -> std::convertible_to<double>;
                })
    return source.progress();
  else return 0;
}

/// The files that a source reads; none where it does not tell.
template <access_source S>
[[nodiscard]] std::vector<std::filesystem::path> files_of(const S& source)
{
  if constexpr (requires {
                  { source.files() } -> std::convertible_to<std::vector<std::filesystem::path>>;
                })
    return source.files();
  else return {};
}

/// Owns a source. Movable; one that was moved from can only be assigned to or destroyed.
class any_source
{
 public:
  template <class Source>
    requires(!std::same_as<std::remove_cvref_t<Source>, any_source>) && access_source<std::remove_cvref_t<Source>>
  any_source(Source&& source)  // implicit: it is the same source
      : source_(std::make_unique<owned<std::remove_cvref_t<Source>>>(std::forward<Source>(source)))
  {
  }

  std::size_t read(std::span<trace_access> out) { return source_->read(out); }
  [[nodiscard]] std::string_view name() const { return source_->name(); }
  [[nodiscard]] double progress() const { return source_->progress(); }
  [[nodiscard]] std::vector<std::filesystem::path> files() const { return source_->files(); }
  [[nodiscard]] trace_notes notes() const { return source_->notes(); }

 private:
  struct base
  {
    base() = default;
    base(const base&) = delete;
    base& operator=(const base&) = delete;
    virtual ~base() = default;
    virtual std::size_t read(std::span<trace_access> out) = 0;
    [[nodiscard]] virtual std::string_view name() const = 0;
    [[nodiscard]] virtual double progress() const = 0;
    [[nodiscard]] virtual std::vector<std::filesystem::path> files() const = 0;
    [[nodiscard]] virtual trace_notes notes() const = 0;
  };

  template <class Source>
  struct owned final : base
  {
    template <class From>
    explicit owned(From&& from) : source(std::forward<From>(from))
    {
    }
    std::size_t read(std::span<trace_access> out) override { return source.read(out); }
    [[nodiscard]] std::string_view name() const override { return source.name(); }
    [[nodiscard]] double progress() const override { return progress_of(source); }
    [[nodiscard]] std::vector<std::filesystem::path> files() const override { return files_of(source); }
    [[nodiscard]] trace_notes notes() const override { return notes_of(source); }

    Source source;
  };

  std::unique_ptr<base> source_;
};

static_assert(access_source<any_source>);

}  // namespace kvstrata
