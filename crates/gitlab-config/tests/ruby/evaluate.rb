# Evaluates files as the Linux package does, with stand-ins for its methods, and prints what each sets as a line of JSON.
# Usage: ruby evaluate.rb MODE FOLDER, where FOLDER has files *.rb, and in `loaded` those that they load.
# The mode changes all that lies outside of the files: what depends on it is different in `one` and in `other`.

require 'json'
require 'yaml'

# A hash with texts as keys, in which a key that is read becomes an empty hash if it is not there.
class Vivid < Hash
  def initialize(values = {})
    super()
    update(values)
  end

  def [](key)
    found = super(name(key))
    return found if key?(key)

    made = Vivid.new
    self[key] = made
    made
  end

  def []=(key, value)
    super(name(key), vivid(value))
  end
  alias store []=

  def key?(key) = super(name(key))
  alias has_key? key?
  alias include? key?
  alias member? key?

  def fetch(key, *rest, &block) = super(name(key), *rest, &block)
  def delete(key) = super(name(key))

  def update(*others)
    others.each { |other| other.each_pair { |key, value| self[key] = value } }
    self
  end
  alias merge! update

  def merge(*others) = dup.update(*others)

  private

  def name(key) = key.is_a?(Symbol) ? key.to_s : key

  def vivid(value)
    return Vivid.new(value) if value.instance_of?(Hash)
    return value.collect { |item| vivid(item) } if value.is_a?(Array)

    value
  end
end

# The package's configuration: each name is a part of it.
module Gitlab
  NOTHING = %i[external_url registry_external_url mattermost_external_url pages_external_url gitlab_kas_external_url
               runtime_dir git_data_dir roles].freeze
  @parts = {}

  class << self
    attr_reader :parts

    def node = Hash.new { |nodes, key| nodes[key] = "#{MODE}-#{key}" }

    def [](name) = public_send(name)
    def []=(name, value)
      @parts[name.to_sym] = value
    end

    def from_file(path)
      file = path.sub('/etc/gitlab/', "#{FOLDER}/loaded/")
      instance_eval(File.read(file), file, 1)
    end

    def respond_to_missing?(*) = true

    def method_missing(name, *values)
      name = name.to_s.delete_suffix('=').to_sym
      return @parts[name] = (values.length > 1 ? values : values.first) unless values.empty?
      return @parts[name] if @parts.key?(name) || NOTHING.include?(name)

      @parts[name] = Vivid.new
    end
  end
end

def plain(value)
  case value
  when Hash then value.to_h { |key, inner| [key.to_s, plain(inner)] }
  when Array then value.map { |inner| plain(inner) }
  when Symbol then value.to_s
  when String, Integer, Float, true, false, nil then value
  else '(another value)'
  end
end

MODE = ARGV.fetch(0)
FOLDER = ARGV.fetch(1)
if MODE == 'other'
  %w[LFS NODE STORAGE].each { |name| ENV[name] = "/other/#{name}" }
  class << File
    def exist?(path) = path.start_with?(FOLDER) || true
    def read(path, *rest) = File.file?(path) ? super : "#{path} in the other mode"
  end
else
  class << File
    def exist?(_path) = false
    def read(path, *rest) = File.file?(path) ? super : "#{path} in the first mode"
  end
end

$stdout.sync = true
Dir.glob("#{FOLDER}/*.rb").sort.each do |file|
  reader, writer = IO.pipe
  child = fork do
    reader.close
    $stdout.reopen(File::NULL)
    $stderr.reopen(File::NULL)
    result = begin
      Gitlab.instance_eval(File.read(file), file, 1)
      { 'settings' => plain(Gitlab.parts) }
    rescue Exception => e
      { 'error' => e.class.name }
    end
    writer.puts JSON.generate(result.merge('case' => File.basename(file, '.rb')))
    writer.close
    exit!(0)
  end
  writer.close
  puts reader.read
  Process.wait(child)
end
