# cmake -DOUT=FILE -DASSETS="PATH|TYPE|FILE;..." -P embed.cmake: the files as arrays of bytes, for assets.h.
set(arrays "")
set(table "")
set(number 0)
foreach(asset IN LISTS ASSETS)
  string(REPLACE "|" ";" parts "${asset}")
  list(GET parts 0 path)
  list(GET parts 1 type)
  list(GET parts 2 file)
  file(READ "${file}" bytes HEX)
  file(SHA256 "${file}" hash)
  string(SUBSTRING "${hash}" 0 16 hash)
  string(LENGTH "${bytes}" size)
  math(EXPR size "${size} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "const unsigned char bytes_${number}[] = {${bytes}};\n")
  string(APPEND table "    {\"${path}\", \"${type}\", \"\\\"${hash}\\\"\", {reinterpret_cast<const char*>(bytes_${number}), ${size}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}" "#include \"agent/page/assets.h\"

namespace weir {
namespace {

${arrays}
}  // namespace

std::span<const PageAsset> page_assets() {
    static const PageAsset all[] = {
${table}    };
    return all;
}

}  // namespace weir
")
